import { expect } from 'vitest';

/** What a client saw of a call that the service refused. */
export interface Refusal {
  readonly name: string;
  readonly status: number;
}

/**
 * The error that `call` ends with, which has to be the service's own answer: a broken connection or an answer that
 * the SDK cannot parse is a defect of the endpoint, not a refusal.
 */
export const refusal = async (call: Promise<unknown>): Promise<Refusal> => {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome, 'the call should have been refused').toBeInstanceOf(Error);
  const { name, $metadata } = outcome as { name: string; $metadata?: { httpStatusCode?: number } };
  return { name, status: $metadata?.httpStatusCode ?? 0 };
};

/** Checks that `call` is refused with this error code and HTTP status. */
export const expectRefusal = async (call: Promise<unknown>, name: string, status: number): Promise<void> => {
  expect(await refusal(call)).toEqual({ name, status });
};

/** Checks that `call` is refused by the service with any error of the range 400 to 501. */
export const expectSomeRefusal = async (call: Promise<unknown>): Promise<void> => {
  const { status } = await refusal(call);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThanOrEqual(501);
};

interface HttpMessage {
  headers: Record<string, string>;
  query: Record<string, string>;
  body: unknown;
}

/** A middleware that changes the HTTP request of one command: add it to the command's `middlewareStack`. */
export const rewriting =
  (change: (request: HttpMessage) => void) =>
  <Args extends object, Result>(next: (args: Args) => Promise<Result>) =>
  async (args: Args): Promise<Result> => {
    change((args as Args & { request: HttpMessage }).request);
    return next(args);
  };
