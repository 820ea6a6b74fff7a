// Answers the first message on a topic with a message on another, by MQTT.js.
// The argument is what to connect with, as JSON.
'use strict'

const fs = require('fs')
const mqtt = require('mqtt')

const o = JSON.parse(process.argv[2])

function fail (why) {
  console.error(why)
  process.exit(1)
}

const client = mqtt.connect(o.url, {
  protocolVersion: o.version,
  clientId: o.clientId,
  ca: fs.readFileSync(o.ca),
  cert: fs.readFileSync(o.cert),
  key: fs.readFileSync(o.key),
  servername: o.servername,
  reconnectPeriod: 0,
  // A WebSocket does not ask for its protocol in TLS unless it is told to.
  wsOptions: {
    ca: fs.readFileSync(o.ca),
    cert: fs.readFileSync(o.cert),
    key: fs.readFileSync(o.key),
    servername: o.servername,
    ALPNProtocols: ['http/1.1']
  }
})

// ending says that the answer arrived: what goes wrong with questions that still
// come does not matter.
let answered = false
let ending = false
client.on('connect', () => {
  client.subscribe(o.listen, { qos: 1 }, (err, granted) => {
    if (err || granted[0].qos !== 1) fail(err || granted)
  })
})
client.on('message', (topic, payload) => {
  if (answered) return
  answered = true
  client.publish(o.answer, 'answer to ' + payload, { qos: 1 }, (err) => {
    if (err) fail(err)
    ending = true
    client.end(false, {}, () => process.exit(0))
  })
})
client.on('error', (err) => { if (!ending) fail(err) })
client.on('close', () => { if (!ending) fail('the connection was closed') })
