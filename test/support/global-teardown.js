export default async function stopDatabaseServer() {
  await globalThis.sigraTestServer?.stop();
}
