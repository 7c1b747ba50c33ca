import {
  AddTagsToResourceCommand,
  CreateDocumentCommand,
  type CreateDocumentCommandInput,
  DeleteDocumentCommand,
  DescribeDocumentCommand,
  GetCommandInvocationCommand,
  GetDocumentCommand,
  ListCommandInvocationsCommand,
  ListTagsForResourceCommand,
  SendCommandCommand,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import { expect } from 'vitest';
import { runningInstance, untilState } from '../instances.ts';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ssm', name, run });

const script = (...runCommand: string[]) =>
  JSON.stringify({
    schemaVersion: '2.2',
    description: 'contract',
    mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand } }],
  });

const stopping = script('systemctl stop imgrec-worker');

const document = async (stage: Stage, Content: string, more: Partial<CreateDocumentCommandInput> = {}) => {
  const Name = stage.name();
  const { DocumentDescription } = await stage.ssm.send(
    new CreateDocumentCommand({ Name, Content, DocumentType: 'Command', DocumentFormat: 'JSON', ...more }),
  );
  stage.later(() => stage.ssm.send(new DeleteDocumentCommand({ Name })));
  return { Name, description: DocumentDescription };
};

const describe = async ({ ssm }: Stage, Name: string) =>
  (await ssm.send(new DescribeDocumentCommand({ Name }))).Document;

const running = (stage: Stage): Promise<string> =>
  runningInstance(stage, { InstanceInitiatedShutdownBehavior: 'terminate' });

const send = async ({ ssm }: Stage, DocumentName: string, id: string): Promise<string> => {
  const { Command } = await ssm.send(new SendCommandCommand({ DocumentName, InstanceIds: [id] }));
  return Command?.CommandId ?? '';
};

const outcome = (stage: Stage, CommandId: string, InstanceId: string, status: string) =>
  stage.eventually(async () => {
    const invocation = await stage.ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId }));
    expect(invocation.Status).toBe(status);
    return invocation;
  });

export const ssmCommandCases: readonly ContractCase[] = [
  test('a document is made with version 1 and returned as it was sent', async (stage) => {
    const { Name, description } = await document(stage, stopping);
    expect(description).toMatchObject({ Name, DocumentVersion: '1', DefaultVersion: '1' });
    expect(await describe(stage, Name)).toMatchObject({
      Name,
      DocumentVersion: '1',
      LatestVersion: '1',
      DocumentType: 'Command',
      DocumentFormat: 'JSON',
      Status: 'Active',
      HashType: 'Sha256',
    });
    const { Content } = await stage.ssm.send(new GetDocumentCommand({ Name }));
    expect(JSON.parse(Content ?? '')).toEqual(JSON.parse(stopping));
  }),

  test('an updated document keeps its default version until it is told otherwise', async (stage) => {
    const { Name } = await document(stage, stopping);
    const changed = script('systemctl stop another');
    await stage.ssm.send(new UpdateDocumentCommand({ Name, Content: changed, DocumentVersion: '$LATEST' }));
    const content = async () =>
      JSON.parse((await stage.ssm.send(new GetDocumentCommand({ Name }))).Content ?? '');
    expect(await content()).toEqual(JSON.parse(stopping));
    expect(await describe(stage, Name)).toMatchObject({ DefaultVersion: '1', LatestVersion: '2' });
    await stage.ssm.send(new UpdateDocumentDefaultVersionCommand({ Name, DocumentVersion: '2' }));
    expect(await content()).toEqual(JSON.parse(changed));
  }),

  test('a document that does not change is refused as DuplicateDocumentContent', async (stage) => {
    const { Name } = await document(stage, stopping);
    const updating = stage.ssm.send(
      new UpdateDocumentCommand({ Name, Content: stopping, DocumentVersion: '$LATEST' }),
    );
    await expectRefusal(updating, 'DuplicateDocumentContent', 400);
  }),

  test('a second document of the same name is refused as DocumentAlreadyExists', async (stage) => {
    const { Name } = await document(stage, stopping);
    const again = stage.ssm.send(
      new CreateDocumentCommand({ Name, Content: stopping, DocumentType: 'Command', DocumentFormat: 'JSON' }),
    );
    await expectRefusal(again, 'DocumentAlreadyExists', 400);
  }),

  test('what is no document is refused as InvalidDocumentContent', async (stage) => {
    await expectRefusal(document(stage, 'systemctl stop'), 'InvalidDocumentContent', 400);
  }),

  test('a deleted document is InvalidDocument', async (stage) => {
    const { Name } = await document(stage, stopping);
    await stage.ssm.send(new DeleteDocumentCommand({ Name }));
    await expectRefusal(describe(stage, Name), 'InvalidDocument', 400);
  }),

  test('the tags of a document are those it was made with and those added', async (stage) => {
    const { Name } = await document(stage, stopping, { Tags: [{ Key: 'cluster', Value: 'contract' }] });
    const resource = { ResourceType: 'Document', ResourceId: Name } as const;
    await stage.ssm.send(
      new AddTagsToResourceCommand({ ...resource, Tags: [{ Key: 'role', Value: 'drain' }] }),
    );
    const { TagList = [] } = await stage.ssm.send(new ListTagsForResourceCommand(resource));
    expect(Object.fromEntries(TagList.map(({ Key = '', Value }) => [Key, Value]))).toEqual({
      cluster: 'contract',
      role: 'drain',
    });
  }),

  test('a command that stops the unit succeeds', async (stage) => {
    const { Name } = await document(stage, stopping);
    const id = await running(stage);
    const command = await send(stage, Name, id);
    const invocation = await outcome(stage, command, id, 'Success');
    expect(invocation).toMatchObject({ CommandId: command, InstanceId: id, DocumentName: Name });
    expect(invocation.ResponseCode).toBe(0);
  }),

  test('a command whose script fails is Failed', async (stage) => {
    const { Name } = await document(stage, script('exit 3'));
    const id = await running(stage);
    const invocation = await outcome(stage, await send(stage, Name, id), id, 'Failed');
    expect(invocation.ResponseCode).not.toBe(0);
  }),

  test('an instance whose unit was stopped ends as its shutdown behaviour says', async (stage) => {
    const { Name } = await document(stage, stopping);
    const id = await running(stage);
    await send(stage, Name, id);
    await untilState(stage, id, 'terminated');
  }),

  test('the invocations of a command are listed', async (stage) => {
    const { Name } = await document(stage, stopping);
    const id = await running(stage);
    const CommandId = await send(stage, Name, id);
    const { CommandInvocations } = await stage.ssm.send(new ListCommandInvocationsCommand({ CommandId }));
    expect(CommandInvocations).toMatchObject([{ CommandId, InstanceId: id, DocumentName: Name }]);
  }),

  test('a command for an instance that is not there is refused as InvalidInstanceId', async (stage) => {
    const { Name } = await document(stage, stopping);
    await expectRefusal(send(stage, Name, 'i-00000000000000bad'), 'InvalidInstanceId', 400);
  }),

  test('a command with an unknown document is refused as InvalidDocument', async (stage) => {
    await expectRefusal(send(stage, stage.name(), await running(stage)), 'InvalidDocument', 400);
  }),

  test('an invocation of a command that was never sent does not exist', async (stage) => {
    const asking = stage.ssm.send(
      new GetCommandInvocationCommand({
        CommandId: '00000000-0000-4000-8000-000000000000',
        InstanceId: await running(stage),
      }),
    );
    const { name, status } = await refusal(asking);
    expect(status).toBe(400);
    expect(['InvocationDoesNotExist', 'InvalidCommandId']).toContain(name);
  }),
];
