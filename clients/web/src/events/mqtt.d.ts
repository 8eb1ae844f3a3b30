// The little of mqtt.js (https://github.com/mqttjs/MQTT.js) that this client uses. Its own types would bring those of
// Node into every page.

export interface ConnectOptions {
  readonly protocolVersion: 4 | 5;
  readonly clean: boolean;
  readonly reconnectPeriod: number;
  readonly resubscribe: boolean;
  readonly connectTimeout: number;
  readonly keepalive: number;
  readonly username?: string;
  readonly password?: string;
}

export interface Grant {
  readonly topic: string;
  readonly qos: number;
}

export interface Client {
  on(event: "connect" | "close", listener: () => void): this;
  on(event: "error", listener: (problem: Error) => void): this;
  on(
    event: "message",
    listener: (topic: string, payload: Uint8Array, packet: { readonly retain: boolean }) => void,
  ): this;
  subscribe(
    filters: string[],
    options: { readonly qos: 1 },
    done: (problem: Error | null, granted?: readonly Grant[]) => void,
  ): this;
  end(force: boolean, options: object, done: () => void): this;
}

export type Connect = (url: string, options: ConnectOptions) => Client;

export declare const connect: Connect | undefined;
declare const module: { readonly connect: Connect };
export default module;
