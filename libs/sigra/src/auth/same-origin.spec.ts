import { describe, expect, it } from '@jest/globals';
import { mayActWithCookie } from './same-origin.js';

type Headers = Record<string, string>;

const mayAct = (headers: Headers, rest: { method?: string; protocol?: string } = {}) =>
  mayActWithCookie({ method: 'POST', headers, ...rest }, new Set(['https://app.example.com']));

describe('mayActWithCookie', () => {
  it('reads the host of an HTTP/2 request, which has no Host header', () => {
    const headers = { ':authority': 'notes.example.com' };

    expect(mayAct({ ...headers, origin: 'https://notes.example.com' })).toBe(true);
    expect(mayAct({ ...headers, origin: 'https://evil.example' })).toBe(false);
    expect(mayAct({ ...headers, origin: 'null' })).toBe(false);
  });

  it.each(['null', 'file://', 'about:blank', 'data:,', 'nonsense'])(
    'treats a request without a host as cross-origin when its Origin is %s',
    (origin) => {
      expect(mayAct({ origin })).toBe(false);
      expect(mayAct({ origin, host: '' })).toBe(false);
    },
  );

  it('refuses an http page when the request uses https', () => {
    const headers = { host: 'notes.example.com', origin: 'http://notes.example.com' };

    expect(mayAct(headers, { protocol: 'https' })).toBe(false);
    expect(mayAct(headers, { protocol: 'http' })).toBe(true);
  });

  it('accepts an https page when a proxy ends TLS', () => {
    const headers = { host: 'notes.example.com', origin: 'https://notes.example.com' };

    expect(mayAct(headers, { protocol: 'http' })).toBe(true);
  });

  it.each(['GET', 'HEAD', 'OPTIONS'])('accepts %s from another site', (method) => {
    expect(mayAct({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, { method })).toBe(true);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'QUERY', 'get', ''])('refuses %j from another site', (method) => {
    expect(mayAct({ 'sec-fetch-site': 'cross-site' }, { method })).toBe(false);
  });

  it('checks the origin of a WebSocket, although it begins with GET', () => {
    const upgrade = { upgrade: 'websocket', host: 'notes.example.com' };

    expect(mayAct({ ...upgrade, origin: 'https://evil.example' }, { method: 'GET' })).toBe(false);
    expect(mayAct({ ...upgrade, origin: 'https://notes.example.com' }, { method: 'GET' })).toBe(true);
    expect(mayAct({ ...upgrade, origin: 'https://app.example.com' }, { method: 'GET' })).toBe(true);
    expect(mayAct(upgrade, { method: 'GET' })).toBe(true);
  });

  it('lets Origin decide about the handshake of a message, whatever its method', () => {
    const mayActOnSocket = (headers: Headers) =>
      mayActWithCookie({ method: 'GET', headers: { host: 'notes.example.com', ...headers } }, new Set(), 'socket');

    expect(mayActOnSocket({ origin: 'https://notes.example.com' })).toBe(true);
    expect(mayActOnSocket({ origin: 'https://evil.example' })).toBe(false);
    expect(mayActOnSocket({ origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' })).toBe(false);
    expect(mayActOnSocket({ 'sec-fetch-site': 'same-origin' })).toBe(true);
    expect(mayActOnSocket({ 'sec-fetch-site': 'cross-site' })).toBe(false);
    expect(mayActOnSocket({})).toBe(true);
  });

  it('refuses a request whose Host header is not a host', () => {
    expect(mayAct({ host: 'not a host', origin: 'https://evil.example' })).toBe(false);
  });
});
