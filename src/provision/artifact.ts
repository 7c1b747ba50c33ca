import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { S3 } from '../aws/s3.ts';
import { buildArtifact, inScratchFolder, packSelf } from './build-artifact.ts';
import { nodeFolder, type Target } from './node-binary.ts';

/** The software of one target, in the ops bucket. */
export interface Artifact {
  readonly target: Target;
  readonly sha256: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
  /** What this run had to do: nothing when the same software was stored before, by whomever. */
  readonly made: 'found' | 'built' | 'uploaded';
}

export const artifactPrefix = 'artifacts/';
const artifactKey = (sha256: string): string => `${artifactPrefix}${sha256}.tgz`;

/** What was packed once need not be packed again to know its digest. */
const indexKey = (inputs: string): string => `${artifactPrefix}index/${inputs}.json`;
const indexEntry = z.object({
  v: z.literal(1),
  target: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().positive(),
  unpackedBytes: z.number().int().positive(),
});

/** Changes when this code packs the same inputs to other bytes. */
const recipe = 1;

const inputsDigest = (selfIntegrity: string, target: Target): string =>
  createHash('sha256')
    .update(JSON.stringify({ recipe, selfIntegrity, target, node: nodeFolder(target).integrity }))
    .digest('hex');

const readIndex = async (s3: S3, bucket: string, inputs: string) => {
  const stored = await s3.get(bucket, indexKey(inputs));
  if (stored === undefined) return undefined;
  const entry = indexEntry.safeParse(JSON.parse(stored.toString('utf8')));
  return entry.success ? entry.data : undefined;
};

export interface ArtifactRequest {
  /** Opened with `largeObjectLimits`. */
  readonly s3: S3;
  readonly opsBucket: string;
  readonly target: Target;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export const inMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/**
 * Sees to it that the software of this installation is in the ops bucket, as `artifacts/<sha256>.tgz`. The same software is packed
 * and stored once: a second call reads two small objects.
 * @throws ImgrecError when it must be packed and npm cannot; CloudError when a call fails
 */
export const ensureArtifact = ({ s3, opsBucket, target, say, signal }: ArtifactRequest): Promise<Artifact> =>
  inScratchFolder(async (scratch) => {
    const self = await packSelf(scratch, signal);
    const inputs = inputsDigest(self.integrity, target);
    const known = await readIndex(s3, opsBucket, inputs);
    if (known !== undefined && (await s3.head(opsBucket, artifactKey(known.sha256))) !== undefined) {
      const { sha256, bytes, unpackedBytes } = known;
      return { target, sha256, bytes, unpackedBytes, made: 'found' };
    }
    say(`packing the software for ${target}`);
    const { file, ...built } = await buildArtifact(self, target, scratch, signal);
    const sizes = `${inMegabytes(built.bytes)}, ${inMegabytes(built.unpackedBytes)} unpacked`;
    say(`storing the software for ${target}: ${sizes}`);
    const key = artifactKey(built.sha256);
    const isThere = (await s3.head(opsBucket, key)) !== undefined;
    // Whoever stored it first stored the same bytes.
    if (!isThere) await s3.putOnce(opsBucket, key, await readFile(file), 'application/gzip');
    const entry: z.infer<typeof indexEntry> = { v: 1, target, ...built };
    await s3.put(opsBucket, indexKey(inputs), JSON.stringify(entry), 'application/json');
    return { target, ...built, made: isThere ? 'built' : 'uploaded' };
  });
