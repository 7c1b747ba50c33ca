/**
 * One classifier process: decodes and resizes one image after the other, and infers several at once where it has them. Started only by src/model/pool.ts.
 * Native code may block, crash or hang here; that is why it is a process of its own, and why it decides nothing.
 */
import './late-optimising.ts';
import { getPriority, setPriority } from 'node:os';
import { messageOf } from '../errors.ts';
import { keepNurserySmall } from '../heap.ts';
import { createDecoder, type Decode } from './decode.ts';
import { frame } from './framing.ts';
import type { Model } from './model.ts';
import type { ClassifierAnswer, ClassifierReply, ClassifierRequest } from './protocol.ts';
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

keepNurserySmall();
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

/** What the model will see of an image. */
interface Prepared {
  readonly job: Job;
  readonly rgb: Uint8Array;
  readonly decodeMs: number;
  readonly resizeMs: number;
}

const answer = (...answers: readonly ClassifierAnswer[]): void => reply({ kind: 'answers', answers });

/** @returns undefined when the image is bad, which is its answer */
const prepare = async ({ model, decode }: Opened, job: Job): Promise<Prepared | undefined> => {
  const { id } = job;
  const start = performance.now();
  const decoding = await decode(job.bytes, job.header);
  if (!decoding.ok) {
    answer({ kind: 'bad-image', id, reason: 'undecodable', message: decoding.message });
    return undefined;
  }
  const decoded = performance.now();
  const { rgb, width, height } = decoding.pixels;
  const window = frame(width, height, model.contract);
  if (window === undefined) {
    const { crop } = model.contract;
    const message = `the image has ${width} x ${height} pixels, the model takes ${crop} x ${crop} without resizing`;
    answer({ kind: 'bad-image', id, reason: 'too-small', message });
    return undefined;
  }
  const cropped = resize(rgb, window);
  return { job, rgb: cropped, decodeMs: decoded - start, resizeMs: performance.now() - decoded };
};

const inbox: Job[] = [];

/** Prepares images as long as there are any, up to as many as the model takes at once. */
const nextBatch = async (opened: Opened): Promise<readonly Prepared[]> => {
  const batch: Prepared[] = [];
  while (batch.length < opened.session.batch) {
    // Let what arrived during the previous, blocking step be read first: more images, and recalls.
    await new Promise(setImmediate);
    const job = inbox.shift();
    if (job === undefined) break;
    reply({ kind: 'began', id: job.id });
    const prepared = await prepare(opened, job);
    if (prepared !== undefined) batch.push(prepared);
  }
  return batch;
};

const classify = async ({ session }: Opened, batch: readonly Prepared[]): Promise<void> => {
  const start = performance.now();
  const found = await session.infer(batch.map(({ rgb }) => rgb));
  const inferMs = (performance.now() - start) / batch.length;
  answer(
    ...batch.map(({ job, decodeMs, resizeMs }, index) => ({
      kind: 'classified' as const,
      id: job.id,
      top: topOf(found[index] ?? new Float32Array(), job.topK),
      timings: { decodeMs, resizeMs, inferMs },
    })),
  );
};

let opened: Opened | undefined;
let working = false;

const work = async (): Promise<void> => {
  if (working || opened === undefined) return;
  working = true;
  while (inbox.length > 0) {
    const batch = await nextBatch(opened);
    if (batch.length > 0) await classify(opened, batch);
  }
  working = false;
};

process.on('message', async (request: ClassifierRequest) => {
  if (request.kind === 'open') {
    opened = await open(request.model, request.maxPixels);
    if (opened !== undefined) reply({ kind: 'ready', batch: opened.session.batch });
  } else if (request.kind === 'classify') {
    inbox.push(request);
  } else {
    const index = inbox.findIndex(({ id }) => id === request.id);
    if (index >= 0) inbox.splice(index, 1);
  }
  await work();
});
