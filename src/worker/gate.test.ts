import { describe, expect, test } from 'vitest';
import { createGate } from './gate.ts';

describe('a gate', () => {
  test('lets in as many as there are places, and the next when one leaves', async () => {
    const gate = createGate(1);
    const leave = await gate.enter();
    let second = false;
    const entering = gate.enter().then((left) => {
      second = true;
      return left;
    });
    await Promise.resolve();
    expect(second).toBe(false);
    leave?.();
    expect(await entering).toBeTypeOf('function');
  });

  test('leaving twice frees one place only', async () => {
    const gate = createGate(1);
    const leave = await gate.enter();
    leave?.();
    leave?.();
    expect(await gate.enter()).toBeTypeOf('function');
    let third = false;
    void gate.enter().then(() => {
      third = true;
    });
    await new Promise(setImmediate);
    expect(third).toBe(false);
  });

  test('closing turns away those who wait and those who come', async () => {
    const gate = createGate(1);
    await gate.enter();
    const waiting = gate.enter();
    gate.close();
    expect(await waiting).toBeUndefined();
    expect(await gate.enter()).toBeUndefined();
  });
});
