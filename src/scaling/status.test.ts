import { describe, expect, test } from 'vitest';
import { renderStatus, statusLine } from './status.ts';

const fleet = {
  atMs: 0,
  desired: 7,
  ready: 3,
  booting: 4,
  draining: 1,
  warm: 0,
  backlog: 212,
  oldestSeconds: 12.34,
  arrivingPerSecond: 9.02,
};

describe('the status line', () => {
  test('says what there is, what waits and what comes', () => {
    expect(statusLine(fleet)).toBe(
      'desired 7, ready 3, booting 4, draining 1, backlog 212, oldest 12 s, 9.0 a second arriving',
    );
  });

  test('names a warm pool only where there is one, and an age only where it is known', () => {
    expect(statusLine({ ...fleet, warm: 2, oldestSeconds: undefined })).toBe(
      'desired 7, ready 3, booting 4, draining 1, stopped 2, backlog 212, 9.0 a second arriving',
    );
  });
});

test('a status says that an update has the scaler stopped, and for how long at most', () => {
  const status = {
    owner: 'i-1',
    seenSecondsAgo: 2,
    orders: { paused: false },
    fleet: undefined,
    hoursToday: 1.25,
    troubles: [],
  };
  const held = 'an update is replacing instances; without it the scaler goes on in 13 s';
  expect(renderStatus({ ...status, heldSeconds: 12.1 })).toContain(held);
  expect(renderStatus({ ...status, heldSeconds: 0 })).not.toContain('update');
});
