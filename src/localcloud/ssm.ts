import type { Clock } from '../clock.ts';
import { type Answer, headerOf, Refusal, type Service } from './answer.ts';
import { type Input, objects, optionalFlag, optionalText, parseInput } from './input.ts';
import type { Entry, Journal } from './journal.ts';

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly version: number;
  /** Wall clock, milliseconds. */
  readonly modifiedMs: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Ssm extends Service {
  replay(entry: Entry): void;
  snapshot(): Iterable<Entry>;
}

const nameForm = /^\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
const types = new Set(['String', 'StringList', 'SecureString']);
/** Of the standard tier: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html */
const maxValueBytes = 4096;

const invalid = (message: string): Refusal => new Refusal('ValidationException', message);

/** The protocol front of SSM's Parameter Store: AWS JSON 1.1. */
export const createSsm = (options: {
  readonly clock: Clock;
  readonly journal: () => Journal;
  readonly region: string;
  readonly account: string;
}): Ssm => {
  const parameters = new Map<string, Parameter>();

  const nameOf = (input: Input): string => {
    const name = optionalText(input, 'Name');
    if (name === undefined || name.length > 1011 || !nameForm.test(name))
      throw invalid(`Parameter name: must match ${nameForm.source}; got '${name ?? ''}'.`);
    return name;
  };

  const find = (name: string): Parameter => {
    const parameter = parameters.get(name);
    if (!parameter) throw new Refusal('ParameterNotFound', `Parameter ${name} not found.`);
    return parameter;
  };

  /** The parameter whose tags are read or changed. */
  const tagged = (input: Input): Parameter => {
    const kind = optionalText(input, 'ResourceType');
    if (kind !== 'Parameter')
      throw new Refusal('InvalidResourceType', `The local cloud does not have tags of a ${kind}.`);
    const parameter = parameters.get(optionalText(input, 'ResourceId') ?? '');
    if (!parameter) throw new Refusal('InvalidResourceId', 'The resource ID is not valid.');
    return parameter;
  };

  const put = (input: Input): object => {
    const name = nameOf(input);
    const value = optionalText(input, 'Value') ?? '';
    const overwrite = optionalFlag(input, 'Overwrite');
    const present = parameters.get(name);
    const type = optionalText(input, 'Type') ?? present?.type ?? '';
    if (value === '') throw invalid('The parameter value must not be empty.');
    if (Buffer.byteLength(value) > maxValueBytes)
      throw invalid(
        `Standard tier parameters support a maximum parameter value of ${maxValueBytes} characters.`,
      );
    if (!types.has(type)) throw invalid('A parameter type is required when you create a parameter.');
    const given = objects(input, 'Tags');
    if (overwrite && given.length > 0)
      throw invalid(
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag.",
      );
    if (present && !overwrite)
      throw new Refusal(
        'ParameterAlreadyExists',
        'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
      );
    const tags =
      present?.tags ??
      Object.fromEntries(
        given.map((tag) => [optionalText(tag, 'Key') ?? '', optionalText(tag, 'Value') ?? '']),
      );
    const parameter: Parameter = {
      name,
      type,
      value,
      version: (present?.version ?? 0) + 1,
      modifiedMs: options.clock.wallMs(),
      tags,
    };
    options.journal().append({ t: 'ssm.put', parameter });
    parameters.set(name, parameter);
    return { Version: parameter.version, Tier: 'Standard' };
  };

  const operations: Readonly<Record<string, (input: Input) => object>> = {
    PutParameter: put,
    GetParameter: (input) => {
      const { name, type, value, version, modifiedMs } = find(nameOf(input));
      return {
        Parameter: {
          Name: name,
          Type: type,
          Value: value,
          Version: version,
          LastModifiedDate: modifiedMs / 1000,
          ARN: `arn:aws:ssm:${options.region}:${options.account}:parameter/${name.replace(/^\//, '')}`,
          DataType: 'text',
        },
      };
    },
    ListTagsForResource: (input) => {
      const { tags } = tagged(input);
      return { TagList: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
    },
    AddTagsToResource: (input) => {
      const present = tagged(input);
      const added = objects(input, 'Tags').map((tag): [string, string] => [
        optionalText(tag, 'Key') ?? '',
        optionalText(tag, 'Value') ?? '',
      ]);
      const parameter = { ...present, tags: { ...present.tags, ...Object.fromEntries(added) } };
      options.journal().append({ t: 'ssm.put', parameter });
      parameters.set(parameter.name, parameter);
      return {};
    },
    DeleteParameter: (input) => {
      const { name } = find(nameOf(input));
      options.journal().append({ t: 'ssm.delete', name });
      parameters.delete(name);
      return {};
    },
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
      return {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify(operation(parseInput(call.body()))),
      };
    },
    refuse: (refusal) => ({
      status: refusal.status,
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': refusal.code },
      body: JSON.stringify({ __type: refusal.code, message: refusal.message }),
    }),
    replay: (entry) => {
      if (entry.t === 'ssm.put') {
        const parameter = entry['parameter'] as Parameter;
        parameters.set(parameter.name, parameter);
      } else if (entry.t === 'ssm.delete') parameters.delete(entry['name'] as string);
    },
    snapshot: function* () {
      for (const parameter of parameters.values()) yield { t: 'ssm.put', parameter };
    },
  };
};
