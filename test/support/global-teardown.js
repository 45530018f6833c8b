export default async function stopDatabaseServer() {
  globalThis.sigraTestServerOffer?.close();
  await (await globalThis.sigraTestServer)?.stop();
}
