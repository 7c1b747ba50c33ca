import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import { someLaunchSettings } from '../../test/provision/wish.ts';
import { readBootScript, renderUserData } from '../fleet/user-data.ts';
import { type Clouds, openClouds } from './clouds.ts';
import { inImage, machinesWith } from './machines.ts';
import { newestImageFor, survey } from './survey.ts';

const artifact = 'a'.repeat(64);
const own = 'ami-0123456789abcdef0';
const choices = machinesWith({ allowFrom: '203.0.113.7/32', webInstanceType: 'c7a.medium' });

/** A cluster as on AWS, where an image was made and then rolled out with the software that user data names. */
let clouds: Clouds;
let close: () => Promise<void>;
beforeAll(async () => {
  const cloud = await startTestCloud();
  ({ close } = cloud);
  clouds = await openClouds({ ...cloud.connection, instancesHaveProgram: false });
  const { ssm, ec2, names } = clouds;
  await ssm.create(names.imageParameter, own, {});
  const settings = {
    ...someLaunchSettings,
    imageId: own,
    userData: renderUserData(
      readBootScript(),
      { v: 1, role: 'worker', cluster: names.cluster, artifact },
      { graceSeconds: 30 },
    ),
  };
  await ec2.templates.create(names.workerName, settings, {});
  await ec2.templates.create(names.webName, { ...settings, imageId: 'ami-0fedcba9876543210' }, {});
});
afterAll(async () => {
  clouds.close();
  await close();
});

test('software that an update put on top of an image stays, and a template of another image takes what is in ours', async () => {
  const { imageIds, software } = await survey(clouds, choices);
  expect(imageIds).toEqual({ web: own, worker: own });
  expect(software).toEqual({ web: inImage, worker: artifact });
});

test("an image of the workers' processor is not for a web instance of another", async () => {
  const { imageIds, software } = await survey(clouds, { ...choices, webInstanceType: 't4g.small' });
  expect(imageIds.worker).toBe(own);
  expect(imageIds.web).toMatch(/^ami-/);
  expect(imageIds.web).not.toBe(own);
  expect(software.web).toBeUndefined();
});

test('workers on ARM processors are launched from an ARM image of Amazon, which the web tier need not be', async () => {
  const { imageIds } = await survey(
    { ...clouds, names: { ...clouds.names, workerName: 'none', webName: 'none', imageParameter: '/none' } },
    machinesWith({
      allowFrom: '203.0.113.7/32',
      instanceTypes: ['c7g.medium', 't4g.small'],
      webInstanceType: 't3.small',
    }),
  );
  const newest = (type: string) => newestImageFor(clouds, type);
  expect(imageIds).toEqual({ web: await newest('t3.small'), worker: await newest('c7g.medium') });
  expect(imageIds.worker).not.toBe(imageIds.web);
});

test('types of two processors are refused: a template has one image', async () => {
  const mixed = machinesWith({ instanceTypes: ['c7a.medium', 'c7g.medium'] });
  await expect(survey(clouds, mixed)).rejects.toMatchObject({
    exitCode: 64,
    message: '--instance-types c7a.medium,c7g.medium are of two architectures',
  });
});
