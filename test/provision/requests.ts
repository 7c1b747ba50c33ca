import { inputOf, type Sent } from './recorder.ts';
import { elements } from './sent.ts';

/** What IAM judges: an action on a resource, and what is known of the request. */
export interface IamRequest {
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

const region = 'us-east-1';

/** IAM's names where an API call has another. */
const s3Actions: Readonly<Record<string, string>> = {
  HeadObject: 'GetObject',
  ListObjectsV2: 'ListBucket',
  HeadBucket: 'ListBucket',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  PutPublicAccessBlock: 'PutBucketPublicAccessBlock',
  GetBucketEncryption: 'GetEncryptionConfiguration',
  PutBucketEncryption: 'PutEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
};

const s3Requests = (call: Sent): readonly IamRequest[] => {
  const [, bucket = '', ...rest] = decodeURIComponent(call.path).split('/');
  const key = rest.join('/');
  const name = call.operation.slice('s3:'.length).split('?')[0] ?? '';
  const ifNoneMatch = call.headers['if-none-match'];
  const prefix = new URLSearchParams(call.query).get('prefix');
  // Of many at once each is judged by itself.
  if (name === 'DeleteObjects')
    return elements(call.body, 'Key').map((each) => ({
      action: 's3:DeleteObject',
      resource: `arn:aws:s3:::${bucket}/${each}`,
      context: {},
    }));
  return [
    {
      action: `s3:${s3Actions[name] ?? name}`,
      resource: key === '' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`,
      context: {
        ...(ifNoneMatch === undefined ? {} : { 's3:if-none-match': String(ifNoneMatch) }),
        ...(prefix === null ? {} : { 's3:prefix': prefix }),
      },
    },
  ];
};

const sqsRequests = (call: Sent, account: string): readonly IamRequest[] => {
  const input = inputOf(call);
  const url = String(input['QueueUrl'] ?? '');
  const queue = url === '' ? String(input['QueueName'] ?? '*') : (url.split('/').pop() ?? '');
  const resource = call.operation === 'sqs:ListQueues' ? '*' : `arn:aws:sqs:${region}:${account}:${queue}`;
  const action = call.operation.replace(/Batch$/, '');
  const tagging = input['tags'] === undefined ? [] : [{ action: 'sqs:TagQueue', resource, context: {} }];
  return [{ action, resource, context: {} }, ...tagging];
};

/** What SSM asks of KMS for whoever reads or writes a SecureString; the id of the key is AWS's choice. */
export const kmsRequests = (
  input: Readonly<Record<string, unknown>>,
  parameter: string,
  account: string,
): readonly IamRequest[] => {
  const action =
    input['WithDecryption'] === true
      ? 'kms:Decrypt'
      : input['Type'] === 'SecureString'
        ? 'kms:Encrypt'
        : undefined;
  if (action === undefined) return [];
  return [
    {
      action,
      resource: `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`,
      context: {
        'kms:ViaService': `ssm.${region}.amazonaws.com`,
        'kms:EncryptionContext:PARAMETER_ARN': parameter,
      },
    },
  ];
};

const ssmRequests = (call: Sent, account: string): readonly IamRequest[] => {
  const input = inputOf(call);
  const arn = `arn:aws:ssm:${region}:${account}:`;
  switch (call.operation) {
    case 'ssm:SendCommand':
      return [
        { action: call.operation, resource: `${arn}document/${String(input['DocumentName'])}`, context: {} },
      ];
    case 'ssm:GetCommandInvocation':
      return [{ action: call.operation, resource: '*', context: {} }];
    default: {
      const parameter = `${arn}parameter${String(input['Name'])}`;
      return [
        { action: call.operation, resource: parameter, context: {} },
        ...kmsRequests(input, parameter, account),
      ];
    }
  }
};

/** The requests that IAM would judge for a call; none for one that needs no permission. */
export const requestsOf = (call: Sent, account: string): readonly IamRequest[] => {
  const [service] = call.operation.split(':');
  const requests =
    service === 's3'
      ? s3Requests(call)
      : service === 'sqs'
        ? sqsRequests(call, account)
        : service === 'ssm'
          ? ssmRequests(call, account)
          : service === 'ec2' && /:Describe/.test(call.operation)
            ? [{ action: call.operation, resource: '*', context: {} }]
            : [];
  return requests.map((request) => ({
    ...request,
    context: { 'aws:RequestedRegion': region, 'aws:SecureTransport': 'true', ...request.context },
  }));
};
