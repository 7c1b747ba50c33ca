import { Refusal } from '../answer.ts';
import { invalidParameter } from './errors.ts';

export type Attributes = Readonly<Record<string, string>>;

interface Range {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const ranges: Readonly<Record<string, Range>> = {
  VisibilityTimeout: { min: 0, max: 43_200, default: 30 },
  MessageRetentionPeriod: { min: 60, max: 1_209_600, default: 345_600 },
  DelaySeconds: { min: 0, max: 900, default: 0 },
  MaximumMessageSize: { min: 1_024, max: 1_048_576, default: 1_048_576 },
  ReceiveMessageWaitTimeSeconds: { min: 0, max: 20, default: 0 },
  KmsDataKeyReusePeriodSeconds: { min: 60, max: 86_400, default: 300 },
};

/** Those that are shown although nobody set them. */
const shownDefaults: readonly string[] = [
  'VisibilityTimeout',
  'MessageRetentionPeriod',
  'DelaySeconds',
  'MaximumMessageSize',
  'ReceiveMessageWaitTimeSeconds',
];

const settable = new Set([
  ...Object.keys(ranges),
  'Policy',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'SqsManagedSseEnabled',
  'KmsMasterKeyId',
]);

const computed = new Set([
  'QueueArn',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
]);

const fifoOnly = new Set([
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
]);

export const isAttributeName = (name: string): boolean =>
  name === 'All' || settable.has(name) || computed.has(name) || fifoOnly.has(name);

const invalidValue = (name: string): Refusal =>
  new Refusal('InvalidAttributeValue', `Invalid value for the parameter ${name}.`);

const parseObject = (name: string, value: string): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Readonly<Record<string, unknown>>;
  } catch {
    // Told below, as for any other value that is not an object.
  }
  throw invalidValue(name);
};

export interface Redrive {
  readonly maxReceives: number;
  readonly queueArn: string;
}

/** The dead-letter queue and count of a RedrivePolicy. Throws InvalidParameterValue as AWS does. */
export const parseRedrive = (policy: string): Redrive => {
  const { deadLetterTargetArn, maxReceiveCount } = parseObject('RedrivePolicy', policy);
  const invalid = (reason: string): Refusal =>
    invalidParameter(`Value ${policy} for parameter RedrivePolicy is invalid. Reason: ${reason}`);
  if (typeof deadLetterTargetArn !== 'string')
    throw invalid('Redrive policy does not contain mandatory attribute: deadLetterTargetArn.');
  if (maxReceiveCount === undefined)
    throw invalid('Redrive policy does not contain mandatory attribute: maxReceiveCount.');
  const maxReceives = Number(maxReceiveCount);
  if (!Number.isInteger(maxReceives) || maxReceives < 1 || maxReceives > 1000)
    throw invalid('Invalid value for maxReceiveCount: must be between 1 and 1000.');
  return { maxReceives, queueArn: deadLetterTargetArn };
};

const permissions: readonly unknown[] = ['allowAll', 'denyAll', 'byQueue'];
/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const maxSourceQueues = 10;

const parseRedriveAllow = (policy: string) => {
  const { redrivePermission, sourceQueueArns } = parseObject('RedriveAllowPolicy', policy);
  const invalid = (reason: string): Refusal =>
    invalidParameter(`Value ${policy} for parameter RedriveAllowPolicy is invalid. Reason: ${reason}`);
  if (!permissions.includes(redrivePermission)) throw invalid('Unknown redrivePermission.');
  const arns: readonly unknown[] | undefined = Array.isArray(sourceQueueArns) ? sourceQueueArns : undefined;
  if ((redrivePermission === 'byQueue') !== (arns !== undefined))
    throw invalid('sourceQueueArns go with the redrivePermission byQueue.');
  if (arns && (arns.length === 0 || arns.length > maxSourceQueues))
    throw invalid(`There must be 1 to ${maxSourceQueues} sourceQueueArns.`);
  return { redrivePermission, arns };
};

/** Whether a queue with this RedriveAllowPolicy may be the dead-letter queue of the one with that ARN. */
export const permitsRedrive = (policy: string, sourceArn: string): boolean => {
  const { redrivePermission, arns } = parseRedriveAllow(policy);
  return redrivePermission === 'allowAll' || (arns?.includes(sourceArn) ?? false);
};

/** One form for each value, so that equal settings compare equal ("030" and "30", JSON with other spaces). */
const normalise = (name: string, value: string): string => {
  const range = ranges[name];
  if (range) {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < range.min || number > range.max) throw invalidValue(name);
    return String(number);
  }
  if (name === 'SqsManagedSseEnabled') {
    if (value !== 'true' && value !== 'false') throw invalidValue(name);
    return value;
  }
  if (value === '' || name === 'KmsMasterKeyId') return value;
  if (name === 'RedrivePolicy') {
    const { queueArn, maxReceives } = parseRedrive(value);
    return JSON.stringify({ deadLetterTargetArn: queueArn, maxReceiveCount: maxReceives });
  }
  if (name === 'RedriveAllowPolicy') parseRedriveAllow(value);
  else parseObject(name, value);
  return value;
};

/** Checks names and ranges. Throws InvalidAttributeName, InvalidAttributeValue or InvalidParameterValue. */
export const checkAttributes = (attributes: Attributes): Attributes => {
  const checked: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(attributes)) {
    if (fifoOnly.has(name))
      throw new Refusal(
        'UnsupportedOperation',
        `${name}: this local cloud has standard queues only, no FIFO queues.`,
      );
    if (!settable.has(name)) throw new Refusal('InvalidAttributeName', `Unknown Attribute ${name}.`);
    checked[name] = normalise(name, value);
  }
  return checked;
};

/** The number that holds for a queue, set or default. */
export const numberOf = (attributes: Attributes, name: keyof typeof ranges): number =>
  attributes[name] === undefined ? (ranges[name]?.default ?? 0) : Number(attributes[name]);

/** Adds what AWS shows for a queue where nothing was set; an attribute set to '' counts as not set. */
export const effectiveAttributes = (attributes: Attributes): Attributes => {
  const effective: Record<string, string> = Object.create(null);
  for (const name of shownDefaults) effective[name] = String(ranges[name]?.default ?? 0);
  effective['SqsManagedSseEnabled'] = attributes['KmsMasterKeyId'] ? 'false' : 'true';
  for (const [name, value] of Object.entries(attributes)) if (value !== '') effective[name] = value;
  return effective;
};
