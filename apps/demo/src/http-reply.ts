/** What Express's response and Fastify's reply have in common, as far as the demo needs it. */
export interface HttpReply {
  status(code: number): this;
  header(name: string, value: string): this;
}
