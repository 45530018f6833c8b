import { describe, expect, it } from '@jest/globals';
import { isRequestUrl } from './dpop-target.js';

const BASE_URLS = ['https://api.example', 'http://localhost:3000', 'https://proxy.example/v1'];
const matches = (htu: unknown, path: string) => isRequestUrl(htu, { method: 'GET', path }, BASE_URLS);

describe('isRequestUrl', () => {
  it.each([
    ['https://api.example/notes', '/notes'],
    ['HTTPS://API.Example:443/notes', '/notes'],
    ['http://localhost:3000/notes', '/notes?page=2'],
    ['https://api.example/notes?page=1#top', '/notes?page=2'],
    ['https://api.example', '/'],
    ['https://api.example/', ''],
    ['https://proxy.example/v1/notes', '/notes'],
    ['https://api.example/%7euser/caf%c3%a9', '/~user/caf%C3%A9'],
    ['https://api.example/~user', '/%7Euser'],
    ['https://api.example/a/./b/../c', '/a/c'],
  ])('accepts %s for %s', (htu, path) => {
    expect(matches(htu, path)).toBe(true);
  });

  it.each([
    ['https://api.example/notes/', '/notes'],
    ['https://api.example/Notes', '/notes'],
    ['https://api.example:8443/notes', '/notes'],
    ['http://api.example/notes', '/notes'],
    ['https://api.example.evil.example/notes', '/notes'],
    ['https://proxy.example/notes', '/notes'],
    ['https://proxy.example/v1notes', '/notes'],
    ['https://api.example/a%2Fb', '/a/b'],
    ['https://api.example/notes', '//evil/notes'],
    // The router of the application does not remove dot segments either.
    ['https://api.example/notes', '/x/../notes'],
    ['https://api.example/notes', 'https://api.example/notes'],
    ['null', '/'],
    ['', '/'],
    [undefined, '/'],
    [['https://api.example/'], '/'],
  ])('refuses %s for %s', (htu, path) => {
    expect(matches(htu, path)).toBe(false);
  });
});
