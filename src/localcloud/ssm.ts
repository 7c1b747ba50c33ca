import type { Clock } from '../clock.ts';
import { type Answer, headerOf, Refusal, type Service } from './answer.ts';
import { parseInput } from './input.ts';
import type { Entry, Journal } from './journal.ts';
import type { Shelves } from './shelf.ts';
import { type CommandTargets, createCommands } from './ssm/commands.ts';
import { createDocuments } from './ssm/documents.ts';
import type { SsmOperations } from './ssm/operations.ts';
import { createParameters } from './ssm/parameters.ts';
import { createTagging } from './ssm/tags.ts';

export interface Ssm extends Service {
  replay(entry: Entry): void;
  snapshot(): Iterable<Entry>;
  /** After the journal was read. */
  recover(): void;
}

const json = (status: number, body: object, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/x-amz-json-1.1', ...headers },
  body: JSON.stringify(body),
});

/** The protocol front of SSM (AWS JSON 1.1): Parameter Store, documents, Run Command. */
export const createSsm = (options: {
  readonly clock: Clock;
  readonly journal: () => Journal;
  readonly shelves: Shelves;
  readonly targets: CommandTargets;
  readonly region: string;
  readonly account: string;
}): Ssm => {
  const parameters = createParameters(options);
  const documents = createDocuments(options);
  const commands = createCommands({ ...options, documents });
  const operations: SsmOperations = {
    ...parameters.operations,
    ...documents.operations,
    ...commands.operations,
    ...createTagging([parameters.taggable, documents.taggable]),
  };

  return {
    maxBodyBytes: 256 * 1024,
    handle: (call): Answer => {
      const target = headerOf(call.headers, 'x-amz-target') ?? '';
      const name = target.startsWith('AmazonSSM.') ? target.slice('AmazonSSM.'.length) : '';
      const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
      if (!operation)
        throw new Refusal(
          'UnknownOperationException',
          `The local cloud does not have the SSM operation '${target}'.`,
        );
      return json(200, operation(parseInput(call.body())));
    },
    refuse: ({ code, message, status }) =>
      json(status, { __type: code, message }, { 'x-amzn-errortype': code }),
    replay: parameters.replay,
    snapshot: parameters.snapshot,
    recover: commands.recover,
  };
};
