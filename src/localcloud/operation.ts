import type { IncomingHttpHeaders } from 'node:http';
import { headerOf } from './answer.ts';

/** The parts of a request that tell which API call it is. */
export interface ClassifiableRequest {
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

/** Sub-resources of a bucket, as they stand in the query and in the names of operations. */
const bucketDocuments: Readonly<Record<string, string>> = {
  acl: 'Acl',
  cors: 'Cors',
  encryption: 'Encryption',
  lifecycle: 'LifecycleConfiguration',
  location: 'Location',
  ownershipControls: 'OwnershipControls',
  policy: 'Policy',
  publicAccessBlock: 'PublicAccessBlock',
  tagging: 'Tagging',
  versioning: 'Versioning',
};

const verbs: Readonly<Record<string, string>> = { GET: 'Get', PUT: 'Put', DELETE: 'Delete', HEAD: 'Head' };

const parameterNames = (query: string): readonly string[] =>
  query === ''
    ? []
    : query
        .split('&')
        .map((part) => part.split('=', 1)[0] ?? '')
        .filter((name) => name !== 'x-id');

const bucketOperation = (method: string, query: string): string => {
  const names = parameterNames(query);
  const kind = names.length === 1 ? bucketDocuments[names[0] ?? ''] : undefined;
  if (kind !== undefined) {
    const name = kind === 'PublicAccessBlock' ? kind : `Bucket${kind}`;
    return `s3:${verbs[method] ?? method}${name}`;
  }
  if (names.includes('delete')) return 's3:DeleteObjects';
  switch (method) {
    case 'GET':
      return names.includes('list-type') ? 's3:ListObjectsV2' : 's3:ListObjects';
    case 'PUT':
      return 's3:CreateBucket';
    default:
      return `s3:${verbs[method] ?? method}Bucket`;
  }
};

const objectOperations: Readonly<Record<string, string>> = {
  GET: 's3:GetObject',
  PUT: 's3:PutObject',
  HEAD: 's3:HeadObject',
  DELETE: 's3:DeleteObject',
};

const s3Operation = ({ method, path, query, headers }: ClassifiableRequest): string => {
  const slash = path.indexOf('/', 1);
  if (path.length <= 1) return 's3:ListBuckets';
  if (slash < 0 || slash === path.length - 1) return bucketOperation(method, query);
  // Most calls by far: no query, or only the SDK's `x-id=PutObject`.
  if (query !== '' && !query.startsWith('x-id=')) {
    const names = parameterNames(query);
    if (names.length > 0) return `s3:${verbs[method] ?? method}Object?${names.toSorted().join('&')}`;
  }
  if (method === 'PUT' && headers['x-amz-copy-source'] !== undefined) return 's3:CopyObject';
  return objectOperations[method] ?? `s3:${method}`;
};

const afterDot = (headers: IncomingHttpHeaders): string => {
  const target = headerOf(headers, 'x-amz-target') ?? '';
  return target.slice(target.indexOf('.') + 1);
};

/**
 * The API call that a request makes, as `sqs:SendMessage` or `s3:PutObject`.
 * @param service of the credential scope
 * @param body read only for the services of the Query protocol, where it holds the action
 */
export const operationOf = (service: string, request: ClassifiableRequest, body: () => string): string => {
  switch (service) {
    case 's3':
      return s3Operation(request);
    case 'sqs':
    case 'ssm':
      return `${service}:${afterDot(request.headers)}`;
    case 'admin':
      return `admin:${request.method}`;
    default:
      return `${service}:${/(?:^|&)Action=([A-Za-z0-9]+)/.exec(body())?.[1] ?? ''}`;
  }
};
