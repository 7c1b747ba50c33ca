import type { Answer, Call, Refusal } from '../answer.ts';
import { xmlDocument } from '../xml.ts';

/** A refusal as S3 words it. */
export const refuseS3 = (
  { code, message, status }: Refusal,
  { method, path }: Pick<Call, 'method' | 'path'>,
  requestId: string,
): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body:
    method === 'HEAD'
      ? ''
      : xmlDocument('Error', { Code: code, Message: message, Resource: path, RequestId: requestId }),
});
