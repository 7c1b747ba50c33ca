import { describe, expect, test } from 'vitest';
import { someSite, someWish } from '../../test/provision/wish.ts';
import type { MachineChoices } from './machines.ts';
import type { AnyResource, Kind, Resource } from './resources.ts';
import type { Wish } from './wanted.ts';
import { wantedResources } from './wanted.ts';

/** What is wanted with these choices, by kind. */
const wanted = (choices: Partial<MachineChoices> = {}, hasPublicAddresses = true) => {
  const { machines } = someWish;
  if (machines === undefined) throw new Error('the example has machines');
  const wish: Wish = {
    ...someWish,
    machines: {
      ...machines,
      choices: { ...machines.choices, ...choices },
      surroundings: { ...machines.surroundings, hasPublicAddresses },
    },
  };
  const all = wantedResources(someSite, wish);
  return <K extends Kind>(kind: K) =>
    all.filter((each): each is AnyResource & Resource<K> => each.kind === kind);
};

describe('launch templates', () => {
  test.each(wanted()('launch-template').map((template) => ({ template, name: template.name })))(
    '$name: IMDSv2 only, one hop, an encrypted gp3 disk, no key pair, no instance that is left when it shuts down',
    ({ template: { aspects, tags } }) => {
      expect(aspects).toMatchObject({
        metadata: { tokens: 'required', hopLimit: 1 },
        volume: { type: 'gp3', encrypted: true },
        keyPair: undefined,
        shutdown: 'terminate',
      });
      expect(aspects.launchTags).toMatchObject({ ...tags, Name: expect.anything() });
      expect(aspects.userData).not.toMatch(/key/i);
    },
  );

  test('a burstable type runs on its own credits, and no other says anything of credits', () => {
    const credits = (type: string) =>
      wanted({ webInstanceType: type })('launch-template').find(({ name }) => name === 'demo-web')?.aspects
        .credits;
    expect(['t3.small', 't4g.small', 'c7a.medium'].map(credits)).toEqual(['standard', 'standard', undefined]);
  });

  test('of web instances say that they ask for keys, and the workers’ do not', () => {
    const access = wanted()('launch-template').map(({ aspects }) => aspects.launchTags['imgrec:access']);
    expect(access).toEqual(['keys', undefined]);
  });
});

test('security groups let one port of the web tier be reached from one network, and workers by nobody', () => {
  const groups = wanted({ port: 8443 })('security-group').map(({ name, aspects }) => [name, aspects]);
  expect(groups).toEqual([
    ['demo-web', { ingress: ['tcp 8443 203.0.113.7/32'], egress: ['tcp 443 0.0.0.0/0'] }],
    ['demo-worker', { ingress: [], egress: ['tcp 443 0.0.0.0/0'] }],
  ]);
});

describe('web instances', () => {
  test('are spread over the subnets, each behind an address of its own', () => {
    const of = wanted({ webInstances: 3, subnets: ['subnet-a', 'subnet-b'] });
    expect(of('instance').map(({ made }) => made?.subnetId)).toEqual(['subnet-a', 'subnet-b', 'subnet-a']);
    expect(of('address').map(({ aspects }) => aspects.instance)).toEqual(
      [1, 2, 3].map((slot) => ({ ref: `instance/demo-web-${slot}` })),
    );
  });

  test('have no address in private subnets', () => {
    const of = wanted({ subnets: ['subnet-a'] }, false);
    expect(of('instance')).toHaveLength(1);
    expect(of('address')).toEqual([]);
  });
});

describe('roles and profiles', () => {
  test('have the path and the boundary that were chosen', () => {
    const permissionsBoundary = 'arn:aws:iam::111122223333:policy/limits';
    const of = wanted({ rolePath: '/teams/vision/', permissionsBoundary });
    expect(of('role').map(({ made, aspects }) => [made?.path, aspects.boundary])).toEqual([
      ['/teams/vision/', permissionsBoundary],
      ['/teams/vision/', permissionsBoundary],
    ]);
    expect(of('profile').map(({ made }) => made?.path)).toEqual(['/teams/vision/', '/teams/vision/']);
    // The scaler passes the role by its whole name.
    expect(JSON.stringify(of('role')[0]?.aspects.policy)).toContain('role/teams/vision/demo-worker');
  });

  test('are not wanted where the admins of the account have made them', () => {
    const of = wanted({ iam: 'existing' });
    expect([...of('role'), ...of('profile')]).toEqual([]);
    expect(of('launch-template').map(({ aspects }) => aspects.profile)).toEqual(['demo-web', 'demo-worker']);
  });
});
