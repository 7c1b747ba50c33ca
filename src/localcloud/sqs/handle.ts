import { Refusal } from '../answer.ts';

/**
 * What a receipt handle says. The receive count makes it stale at the next receive; it survives a restart of the cloud
 * because the count does.
 */
export interface Handle {
  readonly queue: string;
  readonly id: string;
  readonly receiveCount: number;
}

export const writeHandle = ({ queue, id, receiveCount }: Handle): string =>
  Buffer.from(`${queue}/${id}/${receiveCount}`, 'latin1').toString('base64');

const form = /^([A-Za-z0-9_-]{1,80})\/([0-9a-f-]{36})\/([1-9]\d{0,8})$/;

/** Throws ReceiptHandleIsInvalid for what this queue never gave out. */
export const readHandle = (text: string, queue: string): Handle => {
  const match = form.exec(Buffer.from(text, 'base64').toString('latin1'));
  const [, name = '', id = '', receiveCount = ''] = match ?? [];
  if (name !== queue)
    throw new Refusal(
      'ReceiptHandleIsInvalid',
      `The input receipt handle "${text}" is not a valid receipt handle.`,
    );
  return { queue: name, id, receiveCount: Number(receiveCount) };
};

/** How often the message was handed out when this handle was given; 0 for what is no handle. */
export const receiveCountOf = (text: string): number =>
  Number(form.exec(Buffer.from(text, 'base64').toString('latin1'))?.[3] ?? 0);
