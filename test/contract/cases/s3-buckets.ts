import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketReplicationCommand,
  GetBucketTaggingCommand,
  GetBucketWebsiteCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase } from '../stage.ts';

/** An account that owns nothing here. */
const stranger = '999999999999';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

export const s3BucketCases: readonly ContractCase[] = [
  test('a created bucket can be seen and listed', async (stage) => {
    const Bucket = await stage.bucket();
    await stage.s3.send(new HeadBucketCommand({ Bucket }));
    const { Buckets = [] } = await stage.s3.send(new ListBucketsCommand({}));
    const found = Buckets.find(({ Name }) => Name === Bucket);
    expect(found?.CreationDate).toBeInstanceOf(Date);
  }),

  test('creating a bucket again is no harm to its owner', async (stage) => {
    const Bucket = await stage.bucket();
    await stage.s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'x' }));
    // us-east-1 answers 200 for historical reasons, every other region BucketAlreadyOwnedByYou.
    const again = await stage.s3.send(new CreateBucketCommand({ Bucket })).then(
      () => 'created',
      (error: Error) => error.name,
    );
    expect(['created', 'BucketAlreadyOwnedByYou']).toContain(again);
    await stage.s3.send(new GetObjectCommand({ Bucket, Key: 'kept' }));
  }),

  test('a bucket name that S3 does not allow is refused as InvalidBucketName', async (stage) => {
    for (const Bucket of ['Upper-Case', 'under_score', 'ab'])
      await expectRefusal(stage.s3.send(new CreateBucketCommand({ Bucket })), 'InvalidBucketName', 400);
  }),

  test('a missing bucket is NotFound to HeadBucket', async (stage) => {
    await expectRefusal(stage.s3.send(new HeadBucketCommand({ Bucket: stage.name() })), 'NotFound', 404);
  }),

  test('every other call on a missing bucket is refused as NoSuchBucket', async (stage) => {
    const Bucket = stage.name();
    const calls = [
      stage.s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' })),
      stage.s3.send(new GetObjectCommand({ Bucket, Key: 'k' })),
      stage.s3.send(new ListObjectsV2Command({ Bucket })),
      stage.s3.send(new GetBucketTaggingCommand({ Bucket })),
      stage.s3.send(new DeleteBucketCommand({ Bucket })),
    ];
    for (const refused of await Promise.all(calls.map(refusal)))
      expect(refused).toEqual({ name: 'NoSuchBucket', status: 404 });
  }),

  test('a deleted bucket is gone', async (stage) => {
    const Bucket = await stage.bucket();
    await stage.s3.send(new DeleteBucketCommand({ Bucket }));
    await stage.eventually(() =>
      expectRefusal(stage.s3.send(new HeadBucketCommand({ Bucket })), 'NotFound', 404),
    );
  }),

  test('a bucket with an object in it is not deleted: BucketNotEmpty', async (stage) => {
    const Bucket = await stage.bucket();
    await stage.s3.send(new PutObjectCommand({ Bucket, Key: 'deep/down/x', Body: 'x' }));
    await expectRefusal(stage.s3.send(new DeleteBucketCommand({ Bucket })), 'BucketNotEmpty', 409);
  }),

  test('a call that expects another owner is refused as AccessDenied', async (stage) => {
    const Bucket = await stage.bucket();
    const { account } = stage.connection;
    await stage.s3.send(
      new PutObjectCommand({ Bucket, Key: 'mine', Body: 'x', ExpectedBucketOwner: account }),
    );
    const foreign = { Bucket, ExpectedBucketOwner: stranger };
    const calls = [
      stage.s3.send(new PutObjectCommand({ ...foreign, Key: 'theirs', Body: 'x' })),
      stage.s3.send(new GetObjectCommand({ ...foreign, Key: 'mine' })),
      stage.s3.send(new ListObjectsV2Command(foreign)),
      stage.s3.send(new GetBucketTaggingCommand(foreign)),
    ];
    for (const refused of await Promise.all(calls.map(refusal)))
      expect(refused).toEqual({ name: 'AccessDenied', status: 403 });
    expect((await refusal(stage.s3.send(new HeadBucketCommand(foreign)))).status).toBe(403);
  }),

  test('bucket tags are returned as sent, and NoSuchTagSet before', async (stage) => {
    const Bucket = await stage.bucket();
    await expectRefusal(stage.s3.send(new GetBucketTaggingCommand({ Bucket })), 'NoSuchTagSet', 404);
    const TagSet = [
      { Key: 'imgrec:cluster', Value: 'contract' },
      { Key: 'imgrec:install', Value: 'größe +-=._:/@ 1' },
    ];
    await stage.s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    await stage.eventually(async () => {
      const got = await stage.s3.send(new GetBucketTaggingCommand({ Bucket }));
      expect(got.TagSet?.toSorted((a, b) => (a.Key ?? '').localeCompare(b.Key ?? ''))).toEqual(TagSet);
    });
  }),

  test('a bucket policy is returned as sent, and NoSuchBucketPolicy before', async (stage) => {
    const Bucket = await stage.bucket();
    await expectRefusal(stage.s3.send(new GetBucketPolicyCommand({ Bucket })), 'NoSuchBucketPolicy', 404);
    const policy = {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'TlsOnly',
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
          Condition: { Bool: { 'aws:SecureTransport': 'false', 'aws:PrincipalIsAWSService': 'true' } },
        },
      ],
    };
    await stage.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }));
    await stage.eventually(async () => {
      const got = await stage.s3.send(new GetBucketPolicyCommand({ Bucket }));
      expect(JSON.parse(got.Policy ?? '{}')).toEqual(policy);
    });
  }),

  test('a bucket policy that is not JSON is refused as MalformedPolicy', async (stage) => {
    const Bucket = await stage.bucket();
    const putting = stage.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: 'allow everything' }));
    await expectRefusal(putting, 'MalformedPolicy', 400);
  }),

  test('a public access block is returned as sent; a new bucket has AWS defaults or none', async (stage) => {
    const Bucket = await stage.bucket();
    const all = {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    };
    const get = () => stage.s3.send(new GetPublicAccessBlockCommand({ Bucket }));
    const fresh = await get().then(
      ({ PublicAccessBlockConfiguration }) => PublicAccessBlockConfiguration,
      (error: Error) => error.name,
    );
    expect(['NoSuchPublicAccessBlockConfiguration', all]).toContainEqual(fresh);
    const wanted = { ...all, RestrictPublicBuckets: false };
    await stage.s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: wanted }));
    await stage.eventually(async () => expect((await get()).PublicAccessBlockConfiguration).toEqual(wanted));
  }),

  test('the encryption is returned as sent; a new bucket has AES256 or none', async (stage) => {
    const Bucket = await stage.bucket();
    const get = async () =>
      (await stage.s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration
        ?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
    const fresh = await get().catch((error: Error) => error.name);
    expect(['ServerSideEncryptionConfigurationNotFoundError', { SSEAlgorithm: 'AES256' }]).toContainEqual(
      fresh,
    );
    const wanted = { SSEAlgorithm: 'AES256' } as const;
    await stage.s3.send(
      new PutBucketEncryptionCommand({
        Bucket,
        ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: wanted }] },
      }),
    );
    await stage.eventually(async () => expect(await get()).toEqual(wanted));
  }),

  test('the lifecycle is returned as sent, and NoSuchLifecycleConfiguration before', async (stage) => {
    const Bucket = await stage.bucket();
    const get = () => stage.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    await expectRefusal(get(), 'NoSuchLifecycleConfiguration', 404);
    const Rules = [
      { ID: 'images', Status: 'Enabled' as const, Filter: { Prefix: 'images/' }, Expiration: { Days: 7 } },
      {
        ID: 'parts',
        Status: 'Enabled' as const,
        Filter: { Prefix: '' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ];
    await stage.s3.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }),
    );
    await stage.eventually(async () => expect((await get()).Rules).toMatchObject(Rules));
  }),

  test('ownership is returned as sent; a new bucket has its owner enforced or none', async (stage) => {
    const Bucket = await stage.bucket();
    const get = async () =>
      (await stage.s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).OwnershipControls?.Rules;
    const enforced = [{ ObjectOwnership: 'BucketOwnerEnforced' as const }];
    const fresh = await get().catch((error: Error) => error.name);
    expect(['OwnershipControlsNotFoundError', enforced]).toContainEqual(fresh);
    const wanted = [{ ObjectOwnership: 'BucketOwnerPreferred' as const }];
    await stage.s3.send(
      new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules: wanted } }),
    );
    await stage.eventually(async () => expect(await get()).toEqual(wanted));
  }),

  test('what a bucket has not been given is refused, not answered as something else', async (stage) => {
    const Bucket = await stage.bucket();
    const calls = [
      stage.s3.send(new GetBucketCorsCommand({ Bucket })),
      stage.s3.send(new GetBucketWebsiteCommand({ Bucket })),
      stage.s3.send(new GetBucketReplicationCommand({ Bucket })),
    ];
    for (const { status } of await Promise.all(calls.map(refusal))) expect([404, 501]).toContain(status);
  }),

  test('an S3 request with a bad signature is refused with 403', async (stage) => {
    const Bucket = await stage.bucket();
    const put = stage.forged.s3.send(new PutObjectCommand({ Bucket, Key: 'forged', Body: 'x' }));
    expect((await refusal(put)).status).toBe(403);
    expect((await refusal(stage.forged.s3.send(new ListBucketsCommand({})))).status).toBe(403);
    await expectRefusal(stage.s3.send(new GetObjectCommand({ Bucket, Key: 'forged' })), 'NoSuchKey', 404);
  }),
];
