import type { Refusal, Service } from './answer.ts';
import { readParameters, unknownAction, xmlAnswer } from './query.ts';

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';

/** The protocol front of STS (Query protocol): who am I, and nothing else. */
export const createSts = (account: string): Service => ({
  maxBodyBytes: 64 * 1024,
  handle: (call, requestId) => {
    const action = readParameters(call.body()).get('Action');
    if (action !== 'GetCallerIdentity') throw unknownAction(action);
    return xmlAnswer(
      200,
      'GetCallerIdentityResponse',
      {
        GetCallerIdentityResult: {
          Arn: `arn:aws:iam::${account}:user/local`,
          UserId: 'AIDALOCALCLOUD',
          Account: account,
        },
        ResponseMetadata: { RequestId: requestId },
      },
      namespace,
    );
  },
  refuse: (refusal: Refusal, _call, requestId) =>
    xmlAnswer(
      refusal.status,
      'ErrorResponse',
      {
        Error: {
          Type: refusal.status < 500 ? 'Sender' : 'Receiver',
          Code: refusal.code,
          Message: refusal.message,
        },
        RequestId: requestId,
      },
      namespace,
    ),
});
