import { expect, test } from 'vitest';
import { operationOf } from './operation.ts';

const s3 = (method: string, target: string, headers: Record<string, string> = {}): string => {
  const [path = '', query = ''] = target.split('?', 2);
  return operationOf('s3', { method, path, query, headers }, () => '');
};

/** Targets as @aws-sdk/client-s3 sends them. */
test.each([
  ['GET', '/?x-id=ListBuckets', 'ListBuckets'],
  ['PUT', '/bucket', 'CreateBucket'],
  ['PUT', '/bucket/', 'CreateBucket'],
  ['HEAD', '/bucket', 'HeadBucket'],
  ['DELETE', '/bucket', 'DeleteBucket'],
  ['GET', '/bucket?list-type=2&prefix=a', 'ListObjectsV2'],
  ['GET', '/bucket?prefix=a', 'ListObjects'],
  ['POST', '/bucket?delete=', 'DeleteObjects'],
  ['GET', '/bucket?tagging=', 'GetBucketTagging'],
  ['PUT', '/bucket?publicAccessBlock=', 'PutPublicAccessBlock'],
  ['GET', '/bucket?lifecycle=', 'GetBucketLifecycleConfiguration'],
  ['PUT', '/bucket/a/b?x-id=PutObject', 'PutObject'],
  ['PUT', '/bucket/a', 'PutObject'],
  ['GET', '/bucket/a?x-id=GetObject', 'GetObject'],
  ['HEAD', '/bucket/a', 'HeadObject'],
  ['DELETE', '/bucket/a?x-id=DeleteObject', 'DeleteObject'],
  ['GET', '/bucket/a?tagging=', 'GetObject?tagging'],
])('S3: %s %s is %s', (method, target, name) => {
  expect(s3(method, target)).toBe(`s3:${name}`);
});

test('a PUT with a copy source is CopyObject', () => {
  expect(s3('PUT', '/bucket/a?x-id=CopyObject', { 'x-amz-copy-source': '/bucket/b' })).toBe('s3:CopyObject');
});

test('SQS and SSM name the operation in a header, the Query services in the body', () => {
  const request = { method: 'POST', path: '/', query: '', headers: {} };
  const json = (target: string) => ({ ...request, headers: { 'x-amz-target': target } });
  expect(operationOf('sqs', json('AmazonSQS.SendMessage'), () => '')).toBe('sqs:SendMessage');
  expect(operationOf('ssm', json('AmazonSSM.GetParameter'), () => '')).toBe('ssm:GetParameter');
  expect(operationOf('ec2', request, () => 'Version=1&Action=RunInstances&MinCount=1')).toBe(
    'ec2:RunInstances',
  );
});
