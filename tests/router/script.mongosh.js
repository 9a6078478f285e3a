// What an operator types into mongosh against a mongos; every answer is checked by its name.
const answers = {};
const target = db.getSiblingDB(process.env.DATABASE);
const ns = (name) => `${target.getName()}.${name}`;
const [first, second] = db.adminCommand({ listShards: 1 }).shards.map((shard) => shard._id);

answers.enabled = sh.enableSharding(target.getName(), first).ok;
answers.ranged = sh.shardCollection(ns("ranged"), { k: 1 }).ok;
answers.hashed = sh.shardCollection(ns("hashed"), { k: "hashed" }).ok;
target.ranged.insertMany([...Array(100).keys()].map((k) => ({ k })));
answers.inserted = target.ranged.countDocuments({});
answers.splitAt = sh.splitAt(ns("ranged"), { k: 50 }).ok;
answers.splitFind = sh.splitFind(ns("ranged"), { k: 10 }).ok;
answers.moved = sh.moveChunk(ns("ranged"), { k: 60 }, second).ok;
answers.tagged = sh.addShardTag(first, "near").ok;
answers.range = sh.addTagRange(ns("ranged"), { k: 0 }, { k: 10 }, "near").ok;
answers.rangeGone = sh.removeTagRange(ns("ranged"), { k: 0 }, { k: 10 }, "near").ok;
answers.zoned = sh.addShardToZone(second, "far").ok;
answers.zoneGone = sh.removeShardFromZone(second, "far").ok;
answers.untagged = sh.removeShardTag(first, "near").ok;
answers.stopped = sh.stopBalancer().ok;
answers.off = sh.getBalancerState();
answers.started = sh.startBalancer().ok;
answers.on = sh.getBalancerState();
answers.running = typeof sh.isBalancerRunning();
answers.updated = target.ranged.updateMany({ k: { $lt: 10 } }, { $set: { low: true } }).modifiedCount;
answers.sorted = target.ranged.find().sort({ k: -1 }).limit(2).toArray().map((one) => one.k);
answers.grouped = target.ranged.aggregate([{ $group: { _id: "$low", n: { $sum: 1 } } }]).toArray().length;
answers.deleted = target.ranged.deleteOne({ k: 3 }).deletedCount;
answers.plan = target.ranged.find({ k: 5 }).explain().queryPlanner.winningPlan.stage;
answers.ops = db.getSiblingDB("admin").currentOp().inprog.length > 0;
answers.objects = target.stats().objects;
answers.stats = target.ranged.stats().sharded;
answers.distribution = Object.keys(target.hashed.getShardDistribution().value ?? {}).length > 0;
answers.collections = show_names(target);
answers.databases = db.adminCommand({ listDatabases: 1 }).databases.some((one) => one.name === target.getName());
answers.status = Object.keys(sh.status().value);

// Whatever else `sh` and a collection offer for sharding: true, or why it failed.
const helpers = {
  setBalancerState: () => sh.setBalancerState(true).ok,
  disableBalancing: () => sh.disableBalancing(ns("ranged")).acknowledged,
  enableBalancing: () => sh.enableBalancing(ns("ranged")).acknowledged,
  balancerCollectionStatus: () => "balancerCompliant" in sh.balancerCollectionStatus(ns("ranged")),
  updateZoneKeyRange: () =>
    sh.addShardToZone(first, "helped").ok &&
    sh.updateZoneKeyRange(ns("ranged"), { k: 0 }, { k: 5 }, "helped").ok,
  removeRangeFromZone: () => sh.removeRangeFromZone(ns("ranged"), { k: 0 }, { k: 5 }).ok,
  removeShardFromZone: () => sh.removeShardFromZone(first, "helped").ok,
  moveRange: () => sh.moveRange(ns("ranged"), second, { k: 0 }, { k: 5 }).ok,
  mergeChunks: () => {
    sh.splitAt(ns("ranged"), { k: 70 });
    const bounds = [{ k: 50 }, { k: MaxKey() }];
    return db.adminCommand({ mergeChunks: ns("ranged"), bounds }).ok;
  },
  listShards: () => sh.listShards().length === 2,
  getShardedDataDistribution: () =>
    sh.getShardedDataDistribution().toArray().some((one) => one.ns === ns("ranged")),
  getShardVersion: () => target.ranged.getShardVersion().versionEpoch !== undefined,
  getShardDistribution: () => "Totals" in target.hashed.getShardDistribution().value,
  reshardCollection: () => sh.reshardCollection(ns("hashed"), { v: 1 }, { numInitialChunks: 1 }).ok,
  abortReshardCollection: () => refused(() => sh.abortReshardCollection(ns("ranged"))) === 339,
  commitReshardCollection: () => refused(() => sh.commitReshardCollection(ns("ranged"))) === 339,
  addShard: () => refused(() => sh.addShard("none/127.0.0.1:1")) > 0,
  isConfigShardEnabled: () => sh.isConfigShardEnabled().enabled === false,
  killOp: () => db.killOp(1000000000).info === "attempting to kill op",
  currentOp: () => db.currentOp({ $all: true }).inprog.length > 0,
};
answers.helpers = {};
for (const [name, run] of Object.entries(helpers)) {
  try {
    answers.helpers[name] = Boolean(run()) || "false";
  } catch (error) {
    answers.helpers[name] = String(error);
  }
}

function refused(run) {
  try {
    run();
  } catch (error) {
    return error.code;
  }
  return 0;
}

function show_names(database) {
  return database.getCollectionNames().sort();
}

print(`ANSWERS ${EJSON.stringify(answers)}`);
