const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/**
 * The order of S3 keys: by UTF-8 bytes, which is by code point. JavaScript compares UTF-16 units, which differs where
 * one text has a surrogate (a character above U+FFFF) and the other a character from U+E000 to U+FFFF.
 */
export const compareUtf8 = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (isSurrogate(x) !== isSurrogate(y)) {
      if (isSurrogate(x)) return 1;
      return -1;
    }
    return x - y;
  }
  return a.length - b.length;
};
