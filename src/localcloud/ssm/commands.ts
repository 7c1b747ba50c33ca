import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import {
  type Input,
  objects,
  optionalFlag,
  optionalInteger,
  optionalObject,
  optionalText,
  texts,
} from '../input.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import { fillIn, isUnitLook, readUnitStop } from './command-content.ts';
import type { Documents } from './documents.ts';
import type { SsmOperations } from './operations.ts';

/** Instances, as far as Run Command has to do with them. */
export interface CommandTargets {
  /** Ids of those whose agent answers. */
  readonly online: () => readonly string[];
  /** Stops what runs on it as systemd would: SIGTERM, and SIGKILL after the grace. Resolves when it has ended. */
  readonly stopProgram: (instanceId: string) => Promise<void>;
}

/** One command on one instance. */
interface Invocation {
  readonly commandId: string;
  readonly instanceId: string;
  readonly documentName: string;
  readonly documentVersion: string;
  readonly comment: string;
  /** Of the step that runs or ran. */
  readonly step: string;
  /** Wall clock, milliseconds. */
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  readonly status: 'InProgress' | 'Success' | 'Failed';
  readonly output: string;
  readonly error: string;
}

export interface Commands {
  readonly operations: SsmOperations;
  /** After the journal was read: what was in progress went down with the local cloud before this one. */
  recover(): void;
}

/** AWS keeps them for 30 days; here the oldest are forgotten first. */
const maxKept = 2_000;

/** Run Command, for the one command that a process can carry out. */
export const createCommands = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly documents: Documents;
  readonly targets: CommandTargets;
}): Commands => {
  const { clock, documents, targets } = options;
  const invocations: Shelf<Invocation> = options.shelves.open('ssm.invocation');

  const keyOf = ({ commandId, instanceId }: Invocation): string => `${commandId}/${instanceId}`;
  const keep = (invocation: Invocation): void => invocations.put(keyOf(invocation), invocation);

  const finish = (started: Invocation, outcome: Partial<Invocation>): void =>
    keep({ ...started, endedMs: clock.wallMs(), ...outcome });

  const forgetOld = (): void => {
    const all = [...invocations.values()];
    for (const old of all.slice(0, Math.max(0, all.length - maxKept))) invocations.remove(keyOf(old));
  };

  /** Steps one after the other; the first that cannot be done ends the command. */
  const carryOut = async (started: Invocation, steps: ReturnType<typeof fillIn>): Promise<void> => {
    for (const { name, action, lines } of steps) {
      const isShell = action === 'aws:runShellScript';
      if (isShell && isUnitLook(lines)) {
        // An instance runs for as long as its program does.
        if (targets.online().includes(started.instanceId)) continue;
        finish(started, { status: 'Failed', step: name, output: 'inactive' });
        return;
      }
      const stop = isShell ? readUnitStop(lines) : undefined;
      if (!stop) {
        const error = `The local cloud carries out no more than "systemctl stop UNIT" and "systemctl is-active UNIT"; this was ${action}: ${lines.join('; ')}`;
        finish(started, { status: 'Failed', step: name, error });
        return;
      }
      const ended = targets.stopProgram(started.instanceId);
      if (stop.waits) await ended;
    }
    finish(started, { status: 'Success', step: steps.at(-1)?.name ?? '' });
  };

  const readParameters = (input: Input): Readonly<Record<string, readonly string[]>> => {
    const given = optionalObject(input, 'Parameters') ?? {};
    return Object.fromEntries(Object.keys(given).map((name) => [name, texts(given, name)]));
  };

  const send = (input: Input): object => {
    const name = optionalText(input, 'DocumentName') ?? '';
    const { version, content } = documents.read(name, optionalText(input, 'DocumentVersion'));
    const instanceIds = [...new Set(texts(input, 'InstanceIds'))];
    if (objects(input, 'Targets').length > 0)
      throw new Refusal('UnsupportedOperation', 'The local cloud sends commands to InstanceIds.', 501);
    if (instanceIds.length < 1 || instanceIds.length > 50)
      throw new Refusal('InvalidInstanceId', 'A command goes to 1 to 50 instances.');
    const steps = fillIn(content, readParameters(input));
    const online = new Set(targets.online());
    const gone = instanceIds.find((id) => !online.has(id));
    if (gone !== undefined)
      throw new Refusal('InvalidInstanceId', `Instances [[${gone}]] not in a valid state for account`);
    const commandId = randomUUID();
    const comment = optionalText(input, 'Comment') ?? '';
    const startedMs = clock.wallMs();
    for (const instanceId of instanceIds) {
      const started: Invocation = {
        commandId,
        instanceId,
        documentName: name,
        documentVersion: version,
        comment,
        step: steps[0]?.name ?? '',
        startedMs,
        endedMs: undefined,
        status: 'InProgress',
        output: '',
        error: '',
      };
      keep(started);
      void carryOut(started, steps);
    }
    forgetOld();
    return {
      Command: {
        CommandId: commandId,
        DocumentName: name,
        DocumentVersion: version,
        Comment: comment,
        InstanceIds: instanceIds,
        RequestedDateTime: startedMs / 1000,
        Status: 'InProgress',
        StatusDetails: 'InProgress',
        TargetCount: instanceIds.length,
      },
    };
  };

  const responseCode = ({ status }: Invocation): number =>
    status === 'InProgress' ? -1 : status === 'Success' ? 0 : 1;

  const get = (input: Input): object => {
    const commandId = optionalText(input, 'CommandId') ?? '';
    const instanceId = optionalText(input, 'InstanceId') ?? '';
    const invocation = invocations.get(`${commandId}/${instanceId}`);
    if (!invocation)
      throw new Refusal('InvocationDoesNotExist', 'The command ID and managed node ID do not match.');
    const { startedMs, endedMs, status } = invocation;
    return {
      CommandId: commandId,
      InstanceId: instanceId,
      Comment: invocation.comment,
      DocumentName: invocation.documentName,
      DocumentVersion: invocation.documentVersion,
      PluginName: invocation.step,
      ResponseCode: responseCode(invocation),
      ExecutionStartDateTime: new Date(startedMs).toISOString(),
      ...(endedMs !== undefined && {
        ExecutionElapsedTime: `PT${((endedMs - startedMs) / 1000).toFixed(3)}S`,
        ExecutionEndDateTime: new Date(endedMs).toISOString(),
      }),
      Status: status,
      StatusDetails: status,
      StandardOutputContent: invocation.output,
      StandardErrorContent: invocation.error,
    };
  };

  const list = (input: Input): object => {
    const commandId = optionalText(input, 'CommandId');
    const instanceId = optionalText(input, 'InstanceId');
    const max = optionalInteger(input, 'MaxResults') ?? 50;
    const after = optionalText(input, 'NextToken');
    const found = [...invocations.values()]
      .filter((one) => commandId === undefined || one.commandId === commandId)
      .filter((one) => instanceId === undefined || one.instanceId === instanceId);
    const start = after === undefined ? 0 : found.findIndex((one) => keyOf(one) === after) + 1;
    const page = found.slice(start, start + max);
    const last = page.at(-1);
    return {
      CommandInvocations: page.map((invocation) => ({
        CommandId: invocation.commandId,
        InstanceId: invocation.instanceId,
        Comment: invocation.comment,
        DocumentName: invocation.documentName,
        DocumentVersion: invocation.documentVersion,
        RequestedDateTime: invocation.startedMs / 1000,
        Status: invocation.status,
        StatusDetails: invocation.status,
        CommandPlugins: optionalFlag(input, 'Details')
          ? [
              {
                Name: invocation.step,
                Status: invocation.status,
                StatusDetails: invocation.status,
                ResponseCode: responseCode(invocation),
                Output: invocation.output + invocation.error,
              },
            ]
          : [],
      })),
      ...(last && start + page.length < found.length && { NextToken: keyOf(last) }),
    };
  };

  const information = (input: Input): object => {
    const [filter, ...others] = objects(input, 'Filters');
    const key = filter && optionalText(filter, 'Key');
    if (others.length > 0 || (filter && key !== 'InstanceIds'))
      throw new Refusal('UnsupportedOperation', 'The local cloud filters by InstanceIds only.', 501);
    const wanted = filter && texts(filter, 'Values');
    return {
      InstanceInformationList: targets
        .online()
        .filter((id) => wanted === undefined || wanted.includes(id))
        .map((InstanceId) => ({
          InstanceId,
          PingStatus: 'Online',
          PlatformType: 'Linux',
          ResourceType: 'EC2Instance',
        })),
    };
  };

  return {
    operations: {
      SendCommand: send,
      GetCommandInvocation: get,
      ListCommandInvocations: list,
      DescribeInstanceInformation: information,
    },
    recover: () => {
      for (const one of [...invocations.values()])
        if (one.status === 'InProgress')
          finish(one, { status: 'Failed', error: 'the local cloud was stopped while the command ran' });
    },
  };
};
