import { Refusal } from '../answer.ts';
import { integerOf, type Parameters } from '../query.ts';

/**
 * One page of a list. The token names the last one shown, so that a page begins behind it whatever came and went since.
 * @param limits of MaxResults, as the operation documents them
 */
export const pageOf = <T extends { readonly id: string }>(
  parameters: Parameters,
  all: readonly T[],
  limits: { readonly min: number; readonly max: number },
): { readonly page: readonly T[]; readonly nextToken: string | undefined } => {
  const max = integerOf(parameters, 'MaxResults');
  const token = parameters.get('NextToken');
  if (max !== undefined && (max < limits.min || max > limits.max))
    throw new Refusal(
      'InvalidParameterValue',
      `Value ( ${max} ) for parameter maxResults is invalid. Expecting a value between ${limits.min} and ${limits.max}.`,
    );
  const start = token === undefined ? 0 : all.findIndex(({ id }) => id === token) + 1;
  if (token !== undefined && start === 0)
    throw new Refusal('InvalidNextToken', 'The token is not valid or has expired.');
  const page = all.slice(start, start + (max ?? limits.max));
  return { page, nextToken: start + page.length < all.length ? page.at(-1)?.id : undefined };
};
