import { Refusal } from '../answer.ts';

/** Positions of the first and the last byte. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const form = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * The one range of a `Range` header, for an object of `size` bytes; undefined when the header is to be ignored, which is
 * what is no range and what is several (https://www.rfc-editor.org/rfc/rfc9110#name-range allows it).
 * Throws InvalidRange (416) when nothing of the object is in it.
 */
export const readRange = (header: string | undefined, size: number): ByteRange | undefined => {
  const [, from = '', to = ''] = form.exec(header?.trim() ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (first > last) throw new Refusal('InvalidRange', 'The requested range is not satisfiable', 416);
  return { first, last };
};
