import { describe, expect, it } from '@jest/globals';
import { actingAs } from 'nestjs-sigra/testing';

describe('actingAs with resources', () => {
  it('refuses them for a session, which holds all resources', () => {
    expect(() => actingAs({ userId: '1', resources: ['note:1'] })).toThrow('a session holds all resources');
    expect(() => actingAs({ userId: '1', method: 'api_token', resources: ['note:1'] })).not.toThrow();
  });
});
