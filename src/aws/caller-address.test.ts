import { describe, expect, test } from 'vitest';
import { callerNetwork } from './caller-address.ts';

const answering = (body: string) => async () => new Response(body);
const aws = { endpoint: undefined, pathStyle: false };

describe('the network that may reach the web tier when nobody says', () => {
  test('is the one address that Amazon sees the caller at', async () => {
    expect(await callerNetwork(aws, answering('203.0.113.7\n'))).toBe('203.0.113.7/32');
  });

  test('is this machine where the calls do not go to AWS, without asking', async () => {
    const never = () => Promise.reject(new Error('asked'));
    expect(await callerNetwork({ ...aws, endpoint: 'http://127.0.0.1:1' }, never)).toBe('127.0.0.1/32');
    expect(await callerNetwork({ ...aws, pathStyle: true }, never)).toBe('127.0.0.1/32');
  });

  test.each([
    ['a page', answering('<html>sign in</html>')],
    ['the whole world', answering('0.0.0.0/0')],
    ['silence', () => Promise.reject(new Error('nobody'))],
  ])('is asked for when %s is answered', async (_what, ask) => {
    await expect(callerNetwork(aws, ask)).rejects.toMatchObject({
      hint: expect.stringContaining('--allow-from'),
    });
  });
});
