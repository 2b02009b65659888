// The customers API of Clientele with Fastify and pg, for comparison in bench/run.
import cluster from 'node:cluster'
import fastify from 'fastify'
import { api } from './api.js'
import { openStore } from './store.js'

const processes = Number(process.env.PEER_PROCESSES)
const connections = Number(process.env.PEER_CONNECTIONS)

if (cluster.isPrimary) {
  for (let i = 0; i < processes; i++) {
    // The connections are shared out: the first processes get what does not divide.
    const share = Math.floor(connections / processes) + (i < connections % processes ? 1 : 0)
    cluster.fork({ PEER_SHARE: share })
  }
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill()
  })
} else {
  const app = fastify({ logger: false, bodyLimit: 2 << 20 })
  await app.register(api, { store: await openStore(Number(process.env.PEER_SHARE)) })
  await app.listen({ path: process.env.PEER_SOCKET })
  process.on('SIGTERM', () => process.exit(0))
}
