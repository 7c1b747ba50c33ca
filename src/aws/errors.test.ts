import { expect, test } from 'vitest';
import { pollBackoff, silentBackoff } from '../retry.ts';
import { backoffAfter, cloudError, refusedCall } from './errors.ts';

const broken = (code: string) => cloudError('receive', Object.assign(new Error(code), { code }));

test.each([
  ['nobody listens', broken('ECONNREFUSED'), silentBackoff],
  ['nobody answers', broken('UND_ERR_HEADERS_TIMEOUT'), silentBackoff],
  ['a throttle', refusedCall('receive', { status: 403, code: 'RequestThrottled' }), pollBackoff],
  ['a service in trouble', refusedCall('receive', { status: 500, code: 'InternalError' }), pollBackoff],
  ['a refusal', refusedCall('receive', { status: 403, code: 'AccessDenied' }), pollBackoff],
  ['a defect of ours', new TypeError('x is undefined'), pollBackoff],
])('a loop spares a service in trouble for longer than one that is not there: %s', (_what, error, limits) => {
  expect(backoffAfter(error)).toBe(limits);
});
