import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  DescribeParametersCommand,
  GetParameterCommand,
  ListTagsForResourceCommand,
  PutParameterCommand,
} from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { expect } from 'vitest';
import { expectRefusal, expectSomeRefusal, refusal, rewriting } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const parameter = async (stage: Stage, Value: string): Promise<string> => {
  const Name = `/imgrec/${stage.name()}/settings`;
  await stage.ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }));
  stage.later(() => stage.ssm.send(new DeleteParameterCommand({ Name })));
  return Name;
};

const test = (service: 'ssm' | 'sts', name: string, run: ContractCase['run']): ContractCase => ({
  service,
  name,
  run,
});

export const ssmAndStsCases: readonly ContractCase[] = [
  test('ssm', 'a parameter is returned as it was put, as version 1', async (stage) => {
    const Value = '{"worker":{"größe":"🐱"},"quote":"\\""}';
    const Name = await parameter(stage, Value);
    const got = await stage.ssm.send(new GetParameterCommand({ Name }));
    expect(got.Parameter).toMatchObject({ Name, Value, Type: 'String', Version: 1 });
    const { region, account } = stage.connection;
    expect(got.Parameter?.ARN).toBe(`arn:aws:ssm:${region}:${account}:parameter${Name}`);
    expect(got.Parameter?.LastModifiedDate).toBeInstanceOf(Date);
  }),

  test(
    'ssm',
    'tags of a parameter are those it was made with and those added, and survive a new value',
    async (stage) => {
      const Name = `/imgrec/${stage.name()}/tagged`;
      const tags = { 'imgrec:cluster': 'one', owner: 'me' };
      const list = (given: Readonly<Record<string, string>>) =>
        Object.entries(given).map(([Key, Value]) => ({ Key, Value }));
      await stage.ssm.send(new PutParameterCommand({ Name, Value: 'x', Type: 'String', Tags: list(tags) }));
      stage.later(() => stage.ssm.send(new DeleteParameterCommand({ Name })));
      const about = { ResourceType: 'Parameter', ResourceId: Name } as const;
      await stage.ssm.send(
        new AddTagsToResourceCommand({ ...about, Tags: list({ owner: 'you', more: '' }) }),
      );
      await stage.ssm.send(new PutParameterCommand({ Name, Value: 'y', Overwrite: true }));
      await stage.eventually(async () => {
        const { TagList = [] } = await stage.ssm.send(new ListTagsForResourceCommand(about));
        expect(Object.fromEntries(TagList.map(({ Key, Value }) => [Key, Value]))).toEqual({
          ...tags,
          owner: 'you',
          more: '',
        });
      });
    },
  ),

  test('ssm', 'tags of a parameter that does not exist are InvalidResourceId', async (stage) => {
    const about = { ResourceType: 'Parameter', ResourceId: `/imgrec/${stage.name()}/none` } as const;
    await expectRefusal(stage.ssm.send(new ListTagsForResourceCommand(about)), 'InvalidResourceId', 400);
  }),

  test('ssm', 'an existing parameter is replaced only with Overwrite', async (stage) => {
    const Name = await parameter(stage, 'first');
    const again = { Name, Value: 'second', Type: 'String' } as const;
    await expectRefusal(stage.ssm.send(new PutParameterCommand(again)), 'ParameterAlreadyExists', 400);
    const put = await stage.ssm.send(new PutParameterCommand({ ...again, Overwrite: true }));
    expect(put.Version).toBe(2);
    await stage.eventually(async () => {
      const { Parameter } = await stage.ssm.send(new GetParameterCommand({ Name }));
      expect(Parameter).toMatchObject({ Value: 'second', Version: 2 });
    });
  }),

  test('ssm', 'an unknown parameter is ParameterNotFound, to get and to delete', async (stage) => {
    const Name = `/imgrec/${stage.name()}/none`;
    await expectRefusal(stage.ssm.send(new GetParameterCommand({ Name })), 'ParameterNotFound', 400);
    await expectRefusal(stage.ssm.send(new DeleteParameterCommand({ Name })), 'ParameterNotFound', 400);
  }),

  test('ssm', 'a deleted parameter is gone', async (stage) => {
    const Name = await parameter(stage, 'x');
    await stage.ssm.send(new DeleteParameterCommand({ Name }));
    await stage.eventually(() =>
      expectRefusal(stage.ssm.send(new GetParameterCommand({ Name })), 'ParameterNotFound', 400),
    );
  }),

  test('ssm', 'a value above 4 KiB is refused', async (stage) => {
    const Name = `/imgrec/${stage.name()}/long`;
    const putting = (Value: string) =>
      stage.ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }));
    expect((await refusal(putting('x'.repeat(4_097)))).status).toBe(400);
    await putting('x'.repeat(4_096));
    await stage.ssm.send(new DeleteParameterCommand({ Name }));
  }),

  test('ssm', 'an SSM operation that does not exist is refused', async (stage) => {
    const command = new DescribeParametersCommand({});
    command.middlewareStack.add(
      rewriting((request) => {
        request.headers['x-amz-target'] = 'AmazonSSM.FoldParameter';
      }),
      { step: 'build', priority: 'high' },
    );
    await expectSomeRefusal(stage.ssm.send(command));
  }),

  test('sts', 'GetCallerIdentity names the account and an ARN in it', async (stage) => {
    const { Account, Arn, UserId } = await stage.sts.send(new GetCallerIdentityCommand({}));
    expect(Account).toBe(stage.connection.account);
    expect(Account).toMatch(/^\d{12}$/);
    expect(Arn).toMatch(new RegExp(`^arn:aws:(iam|sts)::${Account}:.+`));
    expect(UserId).toBeTruthy();
  }),

  test('sts', 'an STS action that does not exist is refused', async (stage) => {
    const command = new GetCallerIdentityCommand({});
    command.middlewareStack.add(
      rewriting((request) => {
        request.body = String(request.body).replace('GetCallerIdentity', 'FoldCallerIdentity');
      }),
      { step: 'build', priority: 'high' },
    );
    await expectSomeRefusal(stage.sts.send(command));
  }),

  test('sts', 'an STS request with a bad signature is refused with 403', async (stage) => {
    expect((await refusal(stage.forged.sts.send(new GetCallerIdentityCommand({})))).status).toBe(403);
  }),
];
