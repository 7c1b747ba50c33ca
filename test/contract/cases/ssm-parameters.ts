import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  GetParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  ListTagsForResourceCommand,
  PutParameterCommand,
  type PutParameterCommandInput,
  RemoveTagsFromResourceCommand,
} from '@aws-sdk/client-ssm';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ssm', name, run });

const put = async (stage: Stage, Name: string, more: Partial<PutParameterCommandInput> = {}) => {
  await stage.ssm.send(new PutParameterCommand({ Name, Value: 'value', Type: 'String', ...more }));
  stage.later(() => stage.ssm.send(new DeleteParameterCommand({ Name })));
};

const tagsOf = async ({ ssm }: Stage, ResourceId: string) => {
  const { TagList = [] } = await ssm.send(
    new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId }),
  );
  return Object.fromEntries(TagList.map(({ Key = '', Value }) => [Key, Value]));
};

export const ssmParameterCases: readonly ContractCase[] = [
  test('a SecureString is readable only when decryption is asked for', async (stage) => {
    const Name = `/imgrec/${stage.name()}/key`;
    await put(stage, Name, { Type: 'SecureString', Value: 'open sesame' });
    const get = async (WithDecryption: boolean) =>
      (await stage.ssm.send(new GetParameterCommand({ Name, WithDecryption }))).Parameter;
    expect(await get(true)).toMatchObject({ Type: 'SecureString', Value: 'open sesame' });
    expect((await get(false))?.Value).not.toBe('open sesame');
  }),

  test('parameters are listed by their path: its own, or all below it', async (stage) => {
    const folder = `/imgrec/${stage.name()}`;
    for (const name of ['a', 'b', 'deep/c']) await put(stage, `${folder}/${name}`);
    const list = async (Recursive: boolean) => {
      const { Parameters = [] } = await stage.ssm.send(
        new GetParametersByPathCommand({ Path: folder, Recursive }),
      );
      return Parameters.map(({ Name }) => Name).toSorted();
    };
    await stage.eventually(async () => expect(await list(false)).toEqual([`${folder}/a`, `${folder}/b`]));
    expect(await list(true)).toEqual([`${folder}/a`, `${folder}/b`, `${folder}/deep/c`]);
  }),

  test('a path is listed in pages, each parameter once', async (stage) => {
    const folder = `/imgrec/${stage.name()}`;
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${folder}/${name}`);
    for (const name of names) await put(stage, name);
    const found: (string | undefined)[] = [];
    let token: string | undefined;
    for (let page = 0; page < 5; page += 1) {
      const { Parameters = [], NextToken } = await stage.ssm.send(
        new GetParametersByPathCommand({
          Path: folder,
          MaxResults: 2,
          ...(token === undefined ? {} : { NextToken: token }),
        }),
      );
      expect(Parameters.length).toBeLessThanOrEqual(2);
      found.push(...Parameters.map(({ Name }) => Name));
      token = NextToken;
      if (!token) break;
    }
    expect(found.toSorted()).toEqual(names);
  }),

  test('several parameters are asked for at once, and the unknown named', async (stage) => {
    const Name = `/imgrec/${stage.name()}/a`;
    await put(stage, Name);
    const { Parameters, InvalidParameters } = await stage.ssm.send(
      new GetParametersCommand({ Names: [Name, `${Name}-absent`] }),
    );
    expect(Parameters).toMatchObject([{ Name, Value: 'value' }]);
    expect(InvalidParameters).toEqual([`${Name}-absent`]);
  }),

  test('the tags of a parameter are added, listed, removed, and outlive its next value', async (stage) => {
    const Name = `/imgrec/${stage.name()}/tagged`;
    await put(stage, Name, { Tags: [{ Key: 'cluster', Value: 'contract' }] });
    const resource = { ResourceType: 'Parameter', ResourceId: Name } as const;
    await stage.ssm.send(
      new AddTagsToResourceCommand({ ...resource, Tags: [{ Key: 'role', Value: 'settings' }] }),
    );
    await stage.ssm.send(new PutParameterCommand({ Name, Value: 'other', Overwrite: true }));
    expect(await tagsOf(stage, Name)).toEqual({ cluster: 'contract', role: 'settings' });
    await stage.ssm.send(new RemoveTagsFromResourceCommand({ ...resource, TagKeys: ['cluster'] }));
    expect(await tagsOf(stage, Name)).toEqual({ role: 'settings' });
  }),

  test('tags together with Overwrite are refused', async (stage) => {
    const Name = `/imgrec/${stage.name()}/tagged`;
    await put(stage, Name);
    const putting = stage.ssm.send(
      new PutParameterCommand({ Name, Value: 'x', Overwrite: true, Tags: [{ Key: 'a', Value: 'b' }] }),
    );
    expect((await refusal(putting)).status).toBe(400);
  }),

  test('tags of a parameter that does not exist are refused as InvalidResourceId', async (stage) => {
    const asking = stage.ssm.send(
      new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: `/imgrec/${stage.name()}` }),
    );
    await expectRefusal(asking, 'InvalidResourceId', 400);
  }),

  test('the newest Amazon Linux is in a public parameter, for either architecture', async (stage) => {
    for (const architecture of ['x86_64', 'arm64']) {
      const Name = `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;
      const { Parameter } = await stage.ssm.send(new GetParameterCommand({ Name }));
      expect(Parameter?.Value).toMatch(/^ami-[0-9a-f]{8,17}$/);
    }
  }),
];
