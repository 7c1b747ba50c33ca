import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSchedule } from './schedule.ts';

test('entries come out by time, whatever order they went in, and replaced ones not at all', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000)), fc.nat(3), (times, dropEvery) => {
      const isCurrent = (time: number): boolean => time % 4 !== dropEvery;
      const schedule = createSchedule<number>(isCurrent);
      for (const time of times) schedule.add(time, time);
      const out: number[] = [];
      for (let top = schedule.peek(); top; top = schedule.peek()) {
        out.push(top.item);
        schedule.pop();
      }
      expect(out).toEqual(times.filter(isCurrent).sort((a, b) => a - b));
    }),
  );
});
