import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { expectRefusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

/** The check values ("123456789") of the catalogue of parametrised CRC algorithms (reveng), as base64 by Python; SHA by hashlib. */
const body = '123456789';
const right = {
  ChecksumCRC32: 'y/Q5Jg==',
  ChecksumCRC32C: '4waSgw==',
  ChecksumCRC64NVME: 'rosUhgp5mIg=',
  ChecksumSHA1: '98O8HYCOBHMq32eZZczDTKeuNEE=',
  ChecksumSHA256: 'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=',
} as const;

const put = ({ s3 }: Stage, Bucket: string, checksum: Partial<Record<keyof typeof right, string>>) =>
  s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: body, ...checksum }));

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

const cases = (Object.keys(right) as (keyof typeof right)[]).map((kind) =>
  test(`a body is checked against its ${kind}, which HeadObject tells when asked`, async (stage) => {
    const Bucket = await stage.bucket();
    const wrong = Buffer.alloc(Buffer.from(right[kind], 'base64').length, 7).toString('base64');
    await expectRefusal(put(stage, Bucket, { [kind]: wrong }), 'BadDigest', 400);
    await expectRefusal(stage.s3.send(new GetObjectCommand({ Bucket, Key: 'k' })), 'NoSuchKey', 404);
    await put(stage, Bucket, { [kind]: right[kind] });
    const head = await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'k', ChecksumMode: 'ENABLED' }));
    expect(head[kind]).toBe(right[kind]);
  }),
);

export const s3ChecksumCases: readonly ContractCase[] = cases;
