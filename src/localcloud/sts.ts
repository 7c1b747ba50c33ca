import type { Service } from './answer.ts';
import { createQueryService } from './query-service.ts';

/** The protocol front of STS: who am I, and nothing else. */
export const createSts = (account: string): Service =>
  createQueryService({
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    maxBodyBytes: 64 * 1024,
    operations: {
      GetCallerIdentity: () => ({
        Arn: `arn:aws:iam::${account}:user/local`,
        UserId: 'AIDALOCALCLOUD',
        Account: account,
      }),
    },
  });
