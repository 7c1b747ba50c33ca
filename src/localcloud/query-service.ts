import type { Service } from './answer.ts';
import { type Parameters, readParameters, unknownAction, xmlAnswer } from './query.ts';
import type { XmlElement } from './xml.ts';

/** What an operation answers; undefined where there is nothing but that it was done. Throws a Refusal. */
export type QueryOperations = Readonly<Record<string, (parameters: Parameters) => XmlElement | undefined>>;

/** A service of the Query protocol as STS and IAM speak it: `<XResponse><XResult>…`. EC2 has a dialect of its own. */
export const createQueryService = (options: {
  readonly namespace: string;
  readonly operations: QueryOperations;
  readonly maxBodyBytes: number;
}): Service => {
  const { namespace, operations, maxBodyBytes } = options;
  return {
    maxBodyBytes,
    handle: (call, requestId) => {
      const parameters = readParameters(call.body());
      const action = parameters.get('Action') ?? '';
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (!operation) throw unknownAction(action);
      const result = operation(parameters);
      return xmlAnswer(
        200,
        `${action}Response`,
        {
          ...(result && { [`${action}Result`]: result }),
          ResponseMetadata: { RequestId: requestId },
        },
        namespace,
      );
    },
    refuse: ({ status, code, message }, _call, requestId) =>
      xmlAnswer(
        status,
        'ErrorResponse',
        {
          Error: { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message },
          RequestId: requestId,
        },
        namespace,
      ),
  };
};
