import { z } from 'zod';
import { Refusal } from '../answer.ts';
import { uriEncode } from '../sigv4.ts';

const texts = z.union([z.string(), z.array(z.string())]);
const action = z.string().regex(/^(\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$/);
const actions = z.union([action, z.array(action).min(1)]);
const common = {
  Sid: z
    .string()
    .regex(/^[A-Za-z0-9]*$/)
    .optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: actions.optional(),
  NotAction: actions.optional(),
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
};
const identityStatement = z
  .strictObject({ ...common, Resource: texts.optional(), NotResource: texts.optional() })
  .refine((one) => (one.Resource === undefined) !== (one.NotResource === undefined));
const trustStatement = z.strictObject({
  ...common,
  Principal: z.union([
    z.literal('*'),
    z.partialRecord(z.enum(['AWS', 'Service', 'Federated', 'CanonicalUser']), texts),
  ]),
});

const documentOf = <T extends z.ZodType<{ Sid?: string | undefined; Action?: unknown; NotAction?: unknown }>>(
  statement: T,
) =>
  z
    .strictObject({
      Version: z.enum(['2012-10-17', '2008-10-17']).optional(),
      Id: z.string().optional(),
      Statement: z.union([statement.transform((one) => [one]), z.array(statement).min(1)]),
    })
    .refine(({ Statement }) =>
      Statement.every((one) => (one.Action === undefined) !== (one.NotAction === undefined)),
    )
    .refine(({ Statement }) => {
      const names = Statement.flatMap(({ Sid }) => (Sid ? [Sid] : []));
      return new Set(names).size === names.length;
    });

const identityDocument = documentOf(identityStatement);
const trustDocument = documentOf(trustStatement);

const check = (document: z.ZodType, text: string): void => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal('MalformedPolicyDocument', 'This policy contains invalid Json');
  }
  const { error } = document.safeParse(value);
  if (!error) return;
  const [issue] = error.issues;
  throw new Refusal(
    'MalformedPolicyDocument',
    `Syntax errors in policy: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
  );
};

/**
 * Of the grammar of policies, what a mistake is likely to break:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html. Throws MalformedPolicyDocument.
 */
export const checkIdentityPolicy = (text: string): void => check(identityDocument, text);
export const checkTrustPolicy = (text: string): void => check(trustDocument, text);

/** What quotas count: characters that are not white space. */
export const policySize = (text: string): number => text.replace(/\s/g, '').length;

/** Policies are URL-encoded in answers. */
export const encodedDocument = uriEncode;
