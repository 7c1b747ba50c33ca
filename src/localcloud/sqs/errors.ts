import { type Answer, Refusal } from '../answer.ts';

/**
 * Names that the Query protocol gave these errors; the SDK shows them as `Code`, older clients know only them.
 * Source: awsQueryError in the service model (@aws-sdk/client-sqs, schemas).
 */
const queryCodes: Readonly<Record<string, string>> = {
  BatchEntryIdsNotDistinct: 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct',
  BatchRequestTooLong: 'AWS.SimpleQueueService.BatchRequestTooLong',
  EmptyBatchRequest: 'AWS.SimpleQueueService.EmptyBatchRequest',
  InvalidBatchEntryId: 'AWS.SimpleQueueService.InvalidBatchEntryId',
  MessageNotInflight: 'AWS.SimpleQueueService.MessageNotInflight',
  PurgeQueueInProgress: 'AWS.SimpleQueueService.PurgeQueueInProgress',
  QueueDeletedRecently: 'AWS.SimpleQueueService.QueueDeletedRecently',
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  QueueNameExists: 'QueueAlreadyExists',
  TooManyEntriesInBatchRequest: 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest',
  UnsupportedOperation: 'AWS.SimpleQueueService.UnsupportedOperation',
};

export const queryCodeOf = (code: string): string => queryCodes[code] ?? code;

/** Wording of AWS's AWS JSON 1.0 errors: the shape's full name in `__type`, the old code in a header. */
export const refuseSqs = (refusal: Refusal): Answer => ({
  status: refusal.status,
  headers: {
    'content-type': 'application/x-amz-json-1.0',
    'x-amzn-query-error': `${queryCodeOf(refusal.code)};${refusal.status < 500 ? 'Sender' : 'Receiver'}`,
  },
  body: JSON.stringify({ __type: `com.amazonaws.sqs#${refusal.code}`, message: refusal.message }),
});

export const invalidParameter = (message: string): Refusal => new Refusal('InvalidParameterValue', message);

export const missingParameter = (name: string): Refusal =>
  new Refusal('MissingParameter', `The request must contain the parameter ${name}.`);
