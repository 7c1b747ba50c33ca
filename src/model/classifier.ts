/**
 * One classifier process: decodes, resizes and infers, one image at a time. Started only by src/model/pool.ts.
 * Native code may block, crash or hang here; that is why it is a process of its own, and why it decides nothing.
 */
import { getPriority, setPriority } from 'node:os';
import { messageOf } from '../errors.ts';
import { createDecoder, type Decode } from './decode.ts';
import { frame } from './framing.ts';
import type { Model } from './model.ts';
import type { ClassifierReply, ClassifierRequest } from './protocol.ts';
import { createResize } from './resize.ts';
import { type ModelSession, openSession } from './session.ts';
import { topOf } from './top.ts';

// A terminal's Ctrl-C and a supervisor's SIGTERM reach the whole group; when to stop is the parent's decision.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
// The parent has gone, by whatever death. SIGKILL, because an ordinary exit waits for a decoder's thread.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

// On Linux this is the priority of this thread and of those it starts from now on, so it comes before any library.
// Never upwards: only root may do that, so it would fail wherever imgrec itself was started with a higher nice value.
setPriority(Math.max(getPriority(), Number(process.argv[2] ?? 0)));

const resize = createResize();

const reply = (message: ClassifierReply): void => {
  process.send?.(message);
};

interface Opened {
  readonly model: Model;
  readonly decode: Decode;
  readonly session: ModelSession;
}

const open = async (model: Model, maxPixels: number): Promise<Opened | undefined> => {
  const decoder = createDecoder(maxPixels);
  const opening = await openSession(model).catch((error: unknown) => ({
    ok: false as const,
    misfit: `${model.file} is not an ONNX model that can be run: ${messageOf(error)}`,
  }));
  const decode = await decoder;
  if (opening.ok) return { model, decode, session: opening.session };
  reply({ kind: 'unusable', message: opening.misfit });
  return undefined;
};

type Job = Extract<ClassifierRequest, { readonly kind: 'classify' }>;

const classify = async ({ model, decode, session }: Opened, job: Job): Promise<ClassifierReply> => {
  const { id } = job;
  const start = performance.now();
  const decoding = await decode(job.bytes, job.header);
  if (!decoding.ok) return { kind: 'bad-image', id, reason: 'undecodable', message: decoding.message };
  const decoded = performance.now();
  const { rgb, width, height } = decoding.pixels;
  const window = frame(width, height, model.contract);
  if (window === undefined) {
    const { crop } = model.contract;
    const message = `the image has ${width} x ${height} pixels, the model takes ${crop} x ${crop} without resizing`;
    return { kind: 'bad-image', id, reason: 'too-small', message };
  }
  const cropped = resize(rgb, window);
  const resized = performance.now();
  const probabilities = await session.infer(cropped);
  const timings = {
    decodeMs: decoded - start,
    resizeMs: resized - decoded,
    inferMs: performance.now() - resized,
  };
  return { kind: 'classified', id, top: topOf(probabilities, job.topK), timings };
};

let opened: Promise<Opened | undefined> | undefined;
let turn: Promise<void> = Promise.resolve();
const recalled = new Set<number>();
let latestStarted = -1;

process.on('message', (request: ClassifierRequest) => {
  if (request.kind === 'open') {
    opened = open(request.model, request.maxPixels);
    turn = opened.then((ready) => {
      if (ready) reply({ kind: 'ready' });
    });
  } else if (request.kind === 'recall') {
    if (request.id > latestStarted) recalled.add(request.id);
  } else {
    turn = turn.then(async () => {
      const ready = await opened;
      // Let a recall that arrived during the previous, blocking inference be read first.
      await new Promise(setImmediate);
      latestStarted = request.id;
      if (ready && !recalled.delete(request.id)) reply(await classify(ready, request));
    });
  }
});
