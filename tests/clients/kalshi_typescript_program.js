// What a user of the official kalshi-typescript 3.30.0 would write; it knows nothing of this project.
//
// Only the base path differs from real use. Each function is one step and returns what the test shall know; `main`
// tells it in one line and waits for one (see conversation.py).
"use strict";

const readline = require("node:readline");
const { randomUUID } = require("node:crypto");
// The program lies in the project, the library in a folder of its own.
const kalshi = require(process.env.CLIENT_MODULE);

const WAIT_MS = 20_000;
const [ticker, exchangeIndexText] = process.argv.slice(2);
const exchangeIndex = Number(exchangeIndexText);
const configuration = new kalshi.Configuration({
  apiKey: process.env.KEY_ID,
  privateKeyPath: process.env.KEY_FILE,
  basePath: process.env.REST_ADDRESS,
});
const account = new kalshi.AccountApi(configuration);
const events = new kalshi.EventsApi(configuration);
const exchange = new kalshi.ExchangeApi(configuration);
const groups = new kalshi.OrderGroupsApi(configuration);
const incentives = new kalshi.IncentiveProgramsApi(configuration);
const market = new kalshi.MarketApi(configuration);
const orders = new kalshi.OrdersApi(configuration);
const portfolio = new kalshi.PortfolioApi(configuration);

const kept = {};

// Portfolio reads lag behind the engine.
async function until(wanted) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = await wanted();
    if (found || Date.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function refusal(call) {
  try {
    await call();
    return { status: "none" };
  } catch (error) {
    if (!error.response) throw error;
    return { status: error.response.status, body: error.response.data };
  }
}

function order(side, price, count, changes = {}) {
  return {
    ticker,
    side,
    price,
    count,
    client_order_id: randomUUID(),
    time_in_force: "good_till_canceled",
    self_trade_prevention_type: "taker_at_cross",
    exchange_index: exchangeIndex,
    ...changes,
  };
}

async function place(...parts) {
  const answer = await orders.createOrderV2(order(...parts));
  return { status: answer.status, ...answer.data };
}

async function resting() {
  const answer = await orders.getOrders(undefined, undefined, undefined, undefined, "resting");
  return answer.data.orders;
}

async function status() {
  const { data } = await exchange.getExchangeStatus();
  const asOf = await exchange.getUserDataTimestamp();
  const costs = await account.getAccountEndpointCosts();
  return {
    active: [data.exchange_active, data.trading_active],
    schedule: Object.keys((await exchange.getExchangeSchedule()).data.schedule).sort(),
    as_of: asOf.data.as_of_time,
    default_cost: costs.data.default_cost,
  };
}

async function markets() {
  const tickers = [];
  let cursor;
  do {
    const page = await market.getMarkets(
      20, cursor, undefined, undefined, undefined, undefined, undefined, undefined, undefined, undefined, undefined, "open",
    );
    tickers.push(...page.data.markets.map((one) => one.ticker));
    cursor = page.data.cursor;
  } while (cursor);
  const one = (await market.getMarket(ticker)).data.market;
  const event = (await events.getEvent(one.event_ticker)).data.event;
  const series = (await market.getSeries(event.series_ticker)).data.series;
  const now = Math.floor(Date.now() / 1000);
  const candles = await market.getMarketCandlesticks(series.ticker, ticker, now - 86_400, now, 60);
  return {
    tickers: tickers.sort(),
    market: [one.ticker, one.status, one.exchange_index],
    fee_type: series.fee_type,
    candles: candles.data.candlesticks.length,
    trades: (await market.getTrades(5, undefined, ticker)).data.trades.map((trade) => trade.ticker),
    programs: (await incentives.getIncentivePrograms()).data.incentive_programs.length,
  };
}

async function book() {
  const one = (await market.getMarketOrderbook(ticker)).data.orderbook_fp;
  const several = (await market.getMarketOrderbooks([ticker])).data.orderbooks;
  return { one, several };
}

async function create() {
  kept.order = await place("bid", "0.0200", "10.00", {
    client_order_id: "typed",
    post_only: true,
    cancel_order_on_pause: true,
    expiration_time: Math.floor(Date.now() / 1000) + 600,
  });
  const listed = await until(async () => (await resting()).find((one) => one.order_id === kept.order.order_id));
  const one = (await orders.getOrder(kept.order.order_id)).data.order;
  return { order: kept.order, listed, one };
}

async function amend() {
  const body = { ticker, side: "bid", price: "0.0310", count: "8.00", exchange_index: exchangeIndex };
  return (await orders.amendOrderV2(kept.order.order_id, body)).data;
}

async function decrease() {
  const body = { reduce_to: "5.00", exchange_index: exchangeIndex, market_ticker: ticker };
  const answer = (await orders.decreaseOrderV2(kept.order.order_id, body)).data;
  const position = (await orders.getOrderQueuePosition(kept.order.order_id)).data.queue_position_fp;
  const positions = (await orders.getOrderQueuePositions(ticker)).data.queue_positions;
  return { answer, position, positions };
}

async function cancel() {
  const call = () => orders.cancelOrderV2(kept.order.order_id, undefined, exchangeIndex, ticker);
  const answer = (await call()).data;
  return { answer, again: await refusal(call) };
}

async function batch() {
  const wanted = [order("bid", "0.0100", "4.00"), order("bid", "0.01555", "4.00"), order("ask", "0.9900", "4.00")];
  const answer = await orders.batchCreateOrdersV2({ orders: wanted });
  kept.batch = answer.data.orders.filter((one) => one.order_id);
  return { status: answer.status, orders: answer.data.orders, client_order_ids: wanted.map((one) => one.client_order_id) };
}

async function batch_cancel() {
  const rows = [kept.batch[0].order_id, "no-such-order"].map((order_id) => ({ order_id, exchange_index: exchangeIndex }));
  return (await orders.batchCancelOrdersV2({ orders: rows })).data.orders;
}

async function cancel_all() {
  return { status: (await orders.cancelAllOrders()).status };
}

async function fills() {
  const ask = (await market.getMarket(ticker)).data.market.yes_ask_dollars;
  const taken = await place("bid", ask, "1.50", { time_in_force: "immediate_or_cancel" });
  const read = async () => (await portfolio.getFills(ticker, taken.order_id)).data.fills;
  return { taken, fills: await until(async () => ((await read()).length ? read() : null)) };
}

async function positions() {
  const read = async () => (await portfolio.getPositions(undefined, undefined, undefined, ticker)).data;
  const held = await until(async () => ((await read()).market_positions.length ? read() : null));
  const balance = async () => (await portfolio.getBalance()).data;
  return {
    market_positions: held.market_positions,
    event_positions: held.event_positions,
    balance: await until(async () => ((await balance()).balance === 1_000_000 ? null : balance())),
    settlements: (await portfolio.getSettlements()).data.settlements,
  };
}

async function group() {
  const created = await groups.createOrderGroup({ contracts_limit: 30, exchange_index: exchangeIndex });
  kept.group = created.data.order_group_id;
  await groups.updateOrderGroupLimit(kept.group, { contracts_limit_fp: "20.00" }, undefined, exchangeIndex);
  kept.order = await place("ask", "0.9800", "2.00", { order_group_id: kept.group });
  return {
    status: created.status,
    created: created.data,
    order_id: kept.order.order_id,
    one: (await groups.getOrderGroup(kept.group)).data,
    all: (await groups.getOrderGroups()).data.order_groups,
  };
}

async function trigger() {
  const answer = await groups.triggerOrderGroup(kept.group, undefined, exchangeIndex, {});
  const wrong = await refusal(() => groups.triggerOrderGroup(kept.group, undefined, exchangeIndex === 0 ? 1 : 0));
  return {
    answer: answer.data,
    refused: await refusal(() => place("ask", "0.9800", "2.00", { order_group_id: kept.group })),
    wrong_shard: wrong.status,
  };
}

async function reset() {
  await groups.resetOrderGroup(kept.group, undefined, exchangeIndex);
  return place("ask", "0.9800", "2.00", { order_group_id: kept.group });
}

async function remove() {
  const answer = await groups.deleteOrderGroup(kept.group, undefined, exchangeIndex);
  return { status: answer.status, then: (await refusal(() => groups.getOrderGroup(kept.group))).status };
}

async function refusals() {
  return {
    price: await refusal(() => place("bid", "0.02005", "1.00")),
    funds: await refusal(() => place("bid", "0.0200", "9000000.00")),
    repeat: await refusal(() => place("bid", "0.0200", "1.00", { client_order_id: "typed" })),
    post_only: await refusal(() => place("bid", "0.9900", "1.00", { post_only: true })),
    number: await refusal(() => place("bid", "0.0200", 1)),
    shard: await refusal(() => place("bid", "0.0200", "1.00", { exchange_index: 1 })),
    limit: await refusal(() => market.getMarkets(100_000)),
  };
}

const STEPS = [
  status, markets, book, create, amend, decrease, cancel, batch, batch_cancel, cancel_all, fills, positions, group,
  trigger, reset, remove, refusals,
];

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const tell = async (step, facts) => {
    process.stdout.write(JSON.stringify({ step, facts }) + "\n");
    await lines.next();
  };
  for (const step of STEPS) {
    try {
      await tell(step.name, await step());
    } catch (error) {
      const answer = error.response ? ` ${error.response.status} ${JSON.stringify(error.response.data)}` : "";
      await tell("failed", `${step.name}: ${error.stack}${answer}`);
      process.exit(1);
    }
  }
  process.exit(0);
}

main();
