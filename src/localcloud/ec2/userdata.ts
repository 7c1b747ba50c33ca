import { Refusal } from '../answer.ts';

/** What the second line of user data begins with; the rest of that line is one JSON object. */
export const userDataMarker = '# imgrec ';
/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before base64. */
const maxUserDataBytes = 16_384;

/**
 * The JSON object of user data's second line, as text. The rest is a script for real machines, and no shell sees it here.
 * Throws InvalidUserData when the line is not there, because such an instance could do nothing on this machine.
 */
export const readUserData = (base64: string | undefined): string => {
  const data = Buffer.from(base64 ?? '', 'base64');
  if (data.length > maxUserDataBytes)
    throw new Refusal('InvalidParameterValue', `User data is limited to ${maxUserDataBytes} bytes.`);
  const line = data.toString('utf8').split('\n', 2)[1]?.trimEnd() ?? '';
  const invalid = (why: string): Refusal =>
    new Refusal(
      'InvalidUserData.Malformed',
      `The local cloud starts only user data whose second line is '${userDataMarker}{…}': ${why}.`,
    );
  if (!line.startsWith(userDataMarker)) throw invalid('that line is missing');
  const text = line.slice(userDataMarker.length).trim();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('it does not hold JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('it is not an object');
  return text;
};
