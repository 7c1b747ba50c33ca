import { messageOf } from '../errors.ts';
import { type Answer, Refusal, type Service } from './answer.ts';
import type { CallCounter } from './calls.ts';
import type { FaultEngine } from './faults/engine.ts';
import { readFaultPlan } from './faults.ts';

/** What is under here is no API of AWS: it is about this local cloud (or fault proxy) itself, signed for the service `admin`. */
export const adminPrefix = '/_imgrec/';

const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(value)}\n`,
});

const readPlan = (body: Buffer) => {
  try {
    return readFaultPlan(JSON.parse(body.toString('utf8')));
  } catch (error) {
    throw new Refusal('InvalidRequest', messageOf(error));
  }
};

/**
 * `GET /_imgrec/calls`: API calls since the start, by operation. `GET`, `PUT` and `DELETE /_imgrec/faults`: the plan of faults with
 * how often each rule hit.
 */
export const createAdmin = (faults: FaultEngine, calls: CallCounter): Service => ({
  maxBodyBytes: 1024 * 1024,
  handle: ({ method, path, body }) => {
    switch (`${method} ${path}`) {
      case `GET ${adminPrefix}calls`:
        return json(calls.report());
      case `GET ${adminPrefix}faults`:
        return json(faults.report() ?? { rules: [] });
      case `PUT ${adminPrefix}faults`:
        faults.set(readPlan(body()));
        return json(faults.report());
      case `DELETE ${adminPrefix}faults`:
        faults.set(undefined);
        return json({ rules: [] });
      default:
        throw new Refusal('NotImplemented', `There is no ${method} ${path}.`, 501);
    }
  },
  refuse: ({ code, message, status }) => json({ code, message }, status),
});
