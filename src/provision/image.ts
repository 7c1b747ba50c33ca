import { randomUUID } from 'node:crypto';
import type { FoundImage, Images } from '../aws/images.ts';
import type { Ec2Setup } from '../aws/machines.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { RunCommand } from '../aws/run-command.ts';
import type { S3 } from '../aws/s3.ts';
import type { Ssm } from '../aws/ssm.ts';
import type { Clock } from '../clock.ts';
import { ImgrecError, messageOf } from '../errors.ts';
import { readOwnReport, removeOwnReport } from '../fleet/own-report.ts';
import { readBootScript, renderUserData, unitOf } from '../fleet/user-data.ts';
import { tagsOf } from './site.ts';

/** What an image is made with. */
export interface BakeCloud {
  readonly images: Images;
  readonly commands: RunCommand;
  readonly s3: S3;
  readonly ssm: Ssm;
  readonly templates: Pick<Ec2Setup['templates'], 'find'>;
  readonly names: ClusterNames;
  readonly installId: string;
}

export interface BakeRequest {
  /** Amazon's image that it starts from. */
  readonly baseImageId: string;
  /** Digest of the software; absent where the image has it in it already. */
  readonly artifact: string | undefined;
  readonly graceSeconds: number;
  /** How many images to keep, the new one included. */
  readonly keep: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface BakedImage {
  readonly imageId: string;
  readonly name: string;
  readonly removed: readonly string[];
}

const pollMs = 1_000;
const installWithinMs = 15 * 60_000;
const checkWithinMs = 5 * 60_000;
const stopWithinMs = 10 * 60_000;
const imageWithinMs = 60 * 60_000;

/** Newest first; of those beyond `keep` the ones that may go. Those in use always stay. Pure. */
export const outdatedImages = (
  images: readonly FoundImage[],
  inUse: readonly string[],
  keep: number,
): readonly FoundImage[] =>
  [...images]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .slice(keep)
    .filter(({ id }) => !inUse.includes(id));

const until = async <T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined>,
  { clock, signal }: Pick<BakeRequest, 'clock' | 'signal'>,
): Promise<T> => {
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    if (signal.aborted) throw new ImgrecError(`interrupted while waiting until ${what}`);
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicMs() > deadlineMs)
      throw new ImgrecError(`not within ${withinMs / 60_000} minutes: ${what}`);
    await clock.sleep(pollMs, signal);
  }
};

/**
 * Makes a machine image that has the software in it: an instance that installs and tries it, a look at it through SSM, its image, and the
 * id of that in the cluster's parameter. Ten minutes on AWS. After a failure nothing is left of it; images that are older than the last `keep`
 * go, but for those that instances are launched from until "imgrec provision" renews the templates.
 * @throws ImgrecError when the software does not come up on the builder, or something takes too long; CloudError
 */
export const bakeImage = async (cloud: BakeCloud, request: BakeRequest): Promise<BakedImage> => {
  const { images, commands, ssm, templates, names, installId } = cloud;
  const { artifact, say } = request;
  const ours = tagsOf({ names, installId }, 'image');
  const tags = { ...ours, ...(artifact === undefined ? {} : { [tagKeys.artifact]: artifact }) };
  const builderTags = { ...tags, Name: `${names.cluster}-image`, [tagKeys.role]: 'builder' };

  const mustLive = async (builder: string): Promise<void> => {
    const state = await images.stateOf(builder);
    if (state === 'shutting-down' || state === 'terminated')
      throw new ImgrecError(`${builder} has ended before an image could be made of it`);
  };

  const installed = async (builder: string): Promise<true | undefined> => {
    const report = await readOwnReport(cloud, builder);
    if (report?.state === 'stopped')
      throw new ImgrecError(
        `the software does not come up on ${builder}: ${report.reason ?? 'no reason is known'}`,
      );
    if (report?.state === 'ready') return true;
    await mustLive(builder);
    return undefined;
  };

  const check = async (builder: string): Promise<void> => {
    const command = await until(
      `the SSM agent of ${builder} answers`,
      checkWithinMs,
      async () => {
        await mustLive(builder);
        return commands.shell(builder, [`systemctl is-active ${unitOf('image')}`]);
      },
      request,
    );
    const { state, output } = await until(
      `a command on ${builder} ends`,
      checkWithinMs,
      async () => {
        const outcome = await commands.outcome(command, builder);
        return outcome.state === 'running' ? undefined : outcome;
      },
      request,
    );
    if (state === 'failed') throw new ImgrecError(`the software does not run on ${builder}: ${output}`);
  };

  const make = async (builder: string): Promise<FoundImage> => {
    const name = `${names.cluster}-${builder.replace('i-', '')}`;
    const imageId = await images.create(builder, name, `imgrec for cluster ${names.cluster}`, tags);
    const look = async () => (await images.find(tags)).find(({ id }) => id === imageId);
    try {
      return await until(
        `image ${imageId} is available`,
        imageWithinMs,
        async () => {
          const image = await look();
          if (image?.state === 'failed') throw new ImgrecError(`EC2 could not make image ${imageId}`);
          return image?.state === 'available' ? image : undefined;
        },
        request,
      );
    } catch (error) {
      await images.remove((await look().catch(() => undefined)) ?? { id: imageId, snapshotIds: [] });
      throw error;
    }
  };

  const userData = renderUserData(
    readBootScript(),
    { v: 1, role: 'image', cluster: names.cluster, artifact },
    request,
  );
  say('launching an instance to make an image of');
  const builder = await images.launchBuilder({
    template: names.workerName,
    imageId: request.baseImageId,
    userData,
    tags: builderTags,
    clientToken: randomUUID(),
  });
  let image: FoundImage;
  try {
    say(`${builder} installs the software and tries it`);
    await until(`${builder} has installed the software`, installWithinMs, () => installed(builder), request);
    say(`looking at ${builder} through SSM`);
    await check(builder);
    await images.stop(builder);
    await until(
      `${builder} has stopped`,
      stopWithinMs,
      async () => ((await images.stateOf(builder)) === 'stopped' ? true : undefined),
      request,
    );
    say(`making an image of ${builder}`);
    image = await make(builder);
  } finally {
    // Whatever happened: it costs money for as long as it is there.
    await images.terminate(builder).catch((error: unknown) => {
      say(`${builder} could not be ended, and goes on costing money: ${messageOf(error)}`);
    });
    await removeOwnReport(cloud, builder).catch(() => undefined);
  }
  await images.tag(image.snapshotIds, tags);
  // Without its tags "imgrec provision destroy" would take the parameter for somebody else's.
  if ((await ssm.get(names.imageParameter)) === undefined)
    await ssm.create(names.imageParameter, image.id, ours);
  else await ssm.put(names.imageParameter, image.id);
  const launched = await Promise.all([names.webName, names.workerName].map((name) => templates.find(name)));
  const inUse = launched.flatMap((template) => template?.settings.imageId ?? []);
  const outdated = outdatedImages(await images.find(ours), inUse, request.keep);
  for (const each of outdated) {
    say(`removing image ${each.id} of ${each.createdAt}`);
    await images.remove(each);
  }
  return { imageId: image.id, name: image.name, removed: outdated.map(({ id }) => id) };
};
