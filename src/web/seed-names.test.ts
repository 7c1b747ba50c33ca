import { describe, expect, test } from 'vitest';
import { readSeedReply } from '../jobs/seed.ts';
import { createSeedNames } from './seed-names.ts';

const openNames = () => {
  let nowMs = 0;
  const names = createSeedNames({ monotonicMs: () => nowMs }, 60_000);
  return {
    ...names,
    reply: (body: string, { id, ageMs }: { id?: string; ageMs?: number } = {}) =>
      names.settle({ id, readings: readSeedReply(body), ageMs }),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
};

describe('names on the seed’s wire', () => {
  test('are those of the files, and a reply finds its job by name or by stem', async () => {
    const names = openNames();
    const [a, b] = [names.begin('ida', 'test_0.JPEG'), names.begin('idb', 'my.cat.png')];
    expect([a.wireName, b.wireName]).toEqual(['test_0.JPEG', 'my.cat.png']);
    expect(names.reply('(my.cat, tabby)')).toBe(true);
    expect(names.reply('(test_0.JPEG, bathtub)')).toBe(true);
    expect(await Promise.all([a.label, b.label])).toEqual(['bathtub', 'tabby']);
    expect(names.waiting()).toBe(0);
  });

  test('get a prefix while another has the same stem, and no longer', async () => {
    const names = openNames();
    const first = names.begin('aaaaaaaaaaaaaa', 'cat.jpg');
    const second = names.begin('bbbbbbbbbbbbbb', 'cat.png');
    expect(second.wireName).toBe('bbbbbbbb-cat.png');
    names.reply('(bbbbbbbb-cat.png, second)');
    names.reply('(cat.jpg, first)');
    expect(await Promise.all([first.label, second.label])).toEqual(['first', 'second']);
    names.pass(60_000);
    expect(names.begin('cccccccccccccc', 'cat.jpg').wireName).toBe('cat.jpg');
  });

  test('stay taken after their client has left, until the reply has come', () => {
    const names = openNames();
    names.begin('aaaaaaaaaaaaaa', 'cat.jpg');
    names.leave('aaaaaaaaaaaaaa');
    expect(names.begin('bbbbbbbbbbbbbb', 'cat.jpg').wireName).toBe('bbbbbbbb-cat.jpg');
    expect(names.reply('(cat.jpg, late)')).toBe(true);
    expect(names.labelOf('aaaaaaaaaaaaaa')).toBe('late');
    names.pass(60_000);
    expect(names.begin('cccccccccccccc', 'cat.jpg').wireName).toBe('cat.jpg');
  });

  test('stay taken while a reply may come again, unless it has the id', () => {
    const names = openNames();
    names.begin('aaaaaaaaaaaaaa', 'cat.jpg');
    names.reply('(cat.jpg, first)');
    names.pass(59_000);
    expect(names.begin('bbbbbbbbbbbbbb', 'cat.jpg').wireName).toBe('bbbbbbbb-cat.jpg');
    names.begin('cccccccccccccc', 'dog.jpg');
    names.reply('(dog.jpg, first)', { id: 'cccccccccccccc' });
    expect(names.begin('dddddddddddddd', 'dog.jpg').wireName).toBe('dog.jpg');
  });

  test('are free at once when nothing was sent', () => {
    const names = openNames();
    names.begin('aaaaaaaaaaaaaa', 'cat.jpg');
    names.cancel('aaaaaaaaaaaaaa');
    expect(names.begin('bbbbbbbbbbbbbb', 'cat.jpg').wireName).toBe('cat.jpg');
  });

  test('do not matter where the id comes back', async () => {
    const names = openNames();
    const [a, b] = [names.begin('ida', 'a.jpg'), names.begin('idb', 'b.jpg')];
    expect(names.reply('(b.jpg, label of a)', { id: 'ida' })).toBe(true);
    expect(names.reply('(whatever, label of b)', { id: 'idb' })).toBe(true);
    expect(await Promise.all([a.label, b.label])).toEqual(['label of a', 'label of b']);
    expect(names.reply('(a.jpg, label)', { id: 'of another web process' })).toBe(false);
  });

  test('with commas are cut where a client waits', async () => {
    const names = openNames();
    const job = names.begin('ida', 'a b.jpg');
    expect(names.reply('(a b.jpg, great white shark, white shark)')).toBe(true);
    expect(await job.label).toBe('great white shark, white shark');
  });

  test('of replies that nobody waits for are not this process’s', () => {
    const names = openNames();
    names.begin('ida', 'a.jpg');
    expect(names.reply('(b.jpg, label)')).toBe(false);
    expect(names.reply('nonsense')).toBe(false);
    expect(names.waiting()).toBe(1);
  });

  test('do not give an old reply to a new job', async () => {
    const names = openNames();
    names.pass(10_000);
    const job = names.begin('ida', 'a.jpg');
    names.pass(500);
    expect(names.reply('(a.jpg, of yesterday)', { ageMs: 86_400_000 })).toBe(false);
    expect(names.reply('(a.jpg, of now)', { ageMs: 400 })).toBe(true);
    expect(await job.label).toBe('of now');
  });

  test('are known for a while after the answer, so that a repeated reply is nobody else’s', () => {
    const names = openNames();
    names.begin('ida', 'a.jpg');
    expect(names.reply('(a.jpg, label)')).toBe(true);
    expect(names.reply('(a.jpg, another label)')).toBe(true);
    expect(names.labelOf('ida')).toBe('label');
    names.pass(16 * 60_000);
    names.begin('idb', 'b.jpg');
    expect(names.reply('(a.jpg, label)')).toBe(false);
    expect(names.labelOf('ida')).toBeUndefined();
  });
});
