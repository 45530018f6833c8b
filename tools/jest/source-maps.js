import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';

const { port1: reports, port2 } = new MessageChannel();

/** The loader, which runs in a thread of its own, reports `[url, path of its source map]` here. */
export const reportsOfLoader = port2;

/** For Jest, which maps stack traces to the sources. */
export const sourceMaps = new (class extends Map {
  get(url) {
    for (let report; (report = receiveMessageOnPort(reports));) this.set(...report.message);
    return super.get(url);
  }
})();
