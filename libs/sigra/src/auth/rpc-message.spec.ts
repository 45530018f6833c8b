import { describe, expect, it } from '@jest/globals';
import { KafkaContext, MqttContext, NatsContext, RedisContext, RmqContext, TcpContext } from '@nestjs/microservices';
import { readAuthorization } from './authorization-header.js';
import { requestOfRpc } from './rpc-message.js';

const AUTHORIZATION = 'Bearer of-metadata';
const metadata = { authorization: AUTHORIZATION };

/** NATS and gRPC have objects with `get()`. */
const named = (values: Readonly<Record<string, unknown>>) => ({ get: (name: string) => values[name] ?? '' });

const found = (payload: unknown, context?: unknown) => requestOfRpc(payload, context).headers.authorization;

describe('requestOfRpc', () => {
  it.each([
    ['TCP', new TcpContext([{} as never, 'pattern', metadata])],
    ['NATS', new NatsContext(['subject', named(metadata)])],
    ['NATS with a capital letter', new NatsContext(['subject', named({ Authorization: AUTHORIZATION })])],
    ['RabbitMQ', new RmqContext([{ properties: { headers: metadata } }, {}, 'pattern'])],
    ['Kafka', new KafkaContext([{ headers: { authorization: Buffer.from(AUTHORIZATION) } }] as never)],
    ['MQTT 5', new MqttContext(['topic', { properties: { userProperties: metadata } }])],
    ['gRPC', { ...named({ authorization: [AUTHORIZATION] }), getMap: () => ({}) }],
  ])('finds the credential in the metadata of %s', (_transport, context) => {
    expect(found({ id: 1 }, context)).toBe(AUTHORIZATION);
  });

  it.each([
    ['TCP', new TcpContext([{} as never, 'pattern'])],
    ['NATS', new NatsContext(['subject', undefined])],
    ['RabbitMQ', new RmqContext([{ properties: {} }, {}, 'pattern'])],
    ['Kafka', new KafkaContext([{}] as never)],
    ['MQTT', new MqttContext(['topic', {}])],
    ['Redis', new RedisContext(['channel'])],
    ['no transport of Nest', undefined],
  ])('finds the credential in the payload with %s, and removes it', (_transport, context) => {
    const payload = { id: 1, authorization: 'Bearer of-payload' };

    expect(found(payload, context)).toBe('Bearer of-payload');
    expect(payload).toEqual({ id: 1 });
  });

  it.each([{ authorization: 'visa-1234' }, { authorization: { scheme: 'visa' } }, { id: 1 }, 'Bearer x', null, [1]])(
    'finds nothing in the payload %j, and leaves it as it is',
    (payload) => {
      const copy = structuredClone(payload);

      expect(found(payload)).toBeUndefined();
      expect(payload).toEqual(copy);
    },
  );

  it('refuses different credentials in metadata and payload', () => {
    const context = new TcpContext([{} as never, 'pattern', metadata]);

    expect(() => found({ authorization: 'Bearer other' }, context)).toThrow('two credentials');
    expect(found({ authorization: AUTHORIZATION }, context)).toBe(AUTHORIZATION);
  });

  it.each([
    ['TCP', new TcpContext([{} as never, 'pattern', { 'X-Api-Key': 'of-metadata' }])],
    ['NATS', new NatsContext(['subject', named({ 'X-Api-Key': 'of-metadata' })])],
    ['Kafka', new KafkaContext([{ headers: { 'x-api-key': Buffer.from('of-metadata') } }] as never)],
    ['gRPC', { ...named({ 'x-api-key': ['of-metadata'] }), getMap: () => ({}) }],
  ])('finds a key in the metadata of %s, and not in the payload', (_transport, context) => {
    const payload = { 'x-api-key': 'of-payload' };

    expect(requestOfRpc(payload, context, ['x-api-key']).headers).toEqual({ 'x-api-key': 'of-metadata' });
    expect(requestOfRpc(payload, undefined, ['x-api-key']).headers).toEqual({});
    expect(requestOfRpc(payload, context).headers).toEqual({});
  });

  it('refuses several keys in the metadata', () => {
    const context = named({ 'x-api-key': ['one', 'two'] });

    expect(() => readAuthorization(requestOfRpc({}, context, ['x-api-key']), ['x-api-key'])).toThrow(
      'several X-Api-Key headers',
    );
  });

  it('refuses several credentials in the metadata', () => {
    const context = named({ authorization: [AUTHORIZATION, 'Bearer other'] });

    expect(() => readAuthorization(requestOfRpc({}, context))).toThrow('several Authorization headers');
  });
});
