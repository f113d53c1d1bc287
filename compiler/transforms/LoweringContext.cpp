//===- LoweringContext.cpp - buffers and tensors of lowered steps ---------===//
#include "compiler/transforms/LoweringContext.h"
#include "formats/support/CountText.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

LoweringContext::LoweringContext(GraphOp graphOp, KvOp kvOp,
                                 const MachineProfile &profile,
                                 GraphPart graphPart)
    : graph(graphOp), part(graphPart), kv(kvOp), target(profile),
      device(kvOp.getDevice().value_or(0)), builder(graphOp),
      symbols(graphOp->getParentOfType<ModuleOp>()),
      context(graphOp.getContext()) {
  logits = cast<ReturnOp>(graph.getBody().front().getTerminator()).getLogits();
}

std::vector<Operation *> LoweringContext::partOps() {
  Block &body = graph.getBody().front();
  std::vector<Operation *> ops;
  bool isInside = part.begin == nullptr;
  for (Operation &op : body.without_terminator()) {
    isInside = (isInside || &op == part.begin) && &op != part.end;
    if (isInside) {
      ops.push_back(&op);
    }
  }
  return ops;
}

uint64_t LoweringContext::columnsOf(Value activation) {
  return static_cast<uint64_t>(ir::llm::columnsOf(activation));
}

std::string LoweringContext::nameOf(DType dtype) {
  return std::string(air::info(dtype).name);
}

Status LoweringContext::checkCache(AttnInOp op) {
  if (op.getKvHeads() != kv.getHeads() || op.getHeadDim() != kv.getHeadDim()) {
    return unsupportedError(
        "the layer has " + countOf(op.getKvHeads(), "KV head") + " of " +
        countOf(op.getHeadDim(), "element") +
        ", but the model's KV cache has " + countOf(kv.getHeads(), "KV head") +
        " of " + countOf(kv.getHeadDim(), "element") +
        "; layers of different shapes are not supported");
  }
  if (!op.getRopeAttr()) {
    return unsupportedError("attention without rotary positions is not "
                            "supported; q and k must have the attribute rope");
  }
  return Status::ok();
}

std::string LoweringContext::addFrequencies(RopeAttr rope) {
  return addTensor(Recipe::InverseFrequencies, {}, rope, DType::F64,
                   Layout::Rows, 1, static_cast<uint64_t>(rope.getDim()) / 2);
}

// ---- buffers ----------------------------------------------------------------

std::string LoweringContext::takeBuffer(const std::string &name,
                                        uint64_t rowElements, RowsFrom rows,
                                        bool isOutput, uint64_t mostRows) {
  std::string pool = name + "/" + std::to_string(rowElements) + "/" +
                     stringifyRowsFrom(rows).str() + "/" +
                     std::to_string(mostRows);
  std::vector<std::string> &unused = freeOf[pool];
  if (!unused.empty() && !isOutput) {
    std::string symbol = std::move(unused.back());
    unused.pop_back();
    return symbol;
  }
  IntegerAttr most =
      mostRows == 0 ? IntegerAttr()
                    : builder.getI64IntegerAttr(static_cast<int64_t>(mostRows));
  auto op = BufferOp::create(builder, graph.getLoc(), name, rowElements, rows,
                             most, isOutput, IntegerAttr(), IntegerAttr(),
                             device, /*fixed=*/false, /*zeroed=*/false);
  std::string symbol = symbols.insert(op).str();
  poolOf[symbol] = std::move(pool);
  return symbol;
}

std::string LoweringContext::stepBuffer(const std::string &name,
                                        uint64_t rowElements, RowsFrom rows,
                                        uint64_t mostRows) {
  return ofStep.emplace_back(
      takeBuffer(name, rowElements, rows, /*isOutput=*/false, mostRows));
}

std::string LoweringContext::resultBuffer(Value result, const std::string &name,
                                          RowsFrom rows) {
  std::string symbol = takeBuffer(result == logits ? "logits" : name,
                                  columnsOf(result), rows, result == logits);
  bufferOf[result] = symbol;
  return symbol;
}

std::string LoweringContext::takenBuffer(Value value, const std::string &name) {
  const std::string symbol = resultBuffer(value, name, RowsFrom::Tokens);
  usesToCome[symbol] +=
      static_cast<uint64_t>(llvm::range_size(value.getUses()));
  return symbol;
}

void LoweringContext::freeBuffers(Operation *op) {
  auto free = [&](const std::string &symbol) {
    freeOf[poolOf[symbol]].push_back(symbol);
  };
  for (const std::string &symbol : ofStep) {
    free(symbol);
  }
  ofStep.clear();
  // A result of a step may be in the buffer of an operand. The uses of results
  // are added first, so that subtracting the use of an operand does not free
  // such a buffer.
  for (Value result : op->getResults()) {
    usesToCome[bufferOf[result]] +=
        static_cast<uint64_t>(llvm::range_size(result.getUses()));
  }
  SmallVector<std::string> touched;
  for (Value operand : op->getOperands()) {
    if (auto known = bufferOf.find(operand); known != bufferOf.end()) {
      usesToCome[known->second] -= 1;
      touched.push_back(known->second);
    }
  }
  for (Value result : op->getResults()) {
    touched.push_back(bufferOf[result]);
  }
  llvm::sort(touched);
  touched.erase(llvm::unique(touched), touched.end());
  for (const std::string &symbol : touched) {
    if (usesToCome[symbol] == 0) {
      free(symbol);
    }
  }
}

Attribute LoweringContext::symbol(StringRef name) const {
  return FlatSymbolRefAttr::get(context, name);
}

Attribute LoweringContext::kvOf(int64_t cache) const {
  return IntegerAttr::get(IntegerType::get(context, 64), cache);
}

// ---- tensors ----------------------------------------------------------------

std::string LoweringContext::addTensor(Recipe recipe,
                                       ArrayRef<WeightAttr> sources,
                                       RopeAttr rope, DType dtype,
                                       Layout layout, uint64_t rows,
                                       uint64_t columns) {
  std::string name;
  for (WeightAttr source : sources) {
    bool isScale = recipe == Recipe::RowScales && !source.getScale().empty();
    name += (name.empty() ? "" : "+") +
            (isScale ? source.getScale() : source.getName()).str();
  }
  if (recipe == Recipe::InverseFrequencies) {
    name = "inverse_frequencies";
  }
  std::string key = name + "/" + stringifyRecipe(recipe).str() + "/" +
                    std::string(layoutName(layout));
  if (recipe != Recipe::InverseFrequencies) {
    if (auto known = tensorByKey.find(key); known != tensorByKey.end()) {
      return known->second;
    }
  }
  SmallVector<Attribute> list(sources.begin(), sources.end());
  auto op = TensorOp::create(
      builder, graph.getLoc(), builder.getStringAttr(name),
      RecipeAttr::get(context, recipe), builder.getArrayAttr(list), rope,
      DTypeAttr::get(context, dtype), LayoutAttr::get(context, layout),
      builder.getI64IntegerAttr(static_cast<int64_t>(rows)),
      builder.getI64IntegerAttr(static_cast<int64_t>(columns)),
      builder.getI64IntegerAttr(
          static_cast<int64_t>(*layoutBytes(dtype, layout, rows, columns))),
      FlatSymbolRefAttr(), IntegerAttr());
  std::string symbol = symbols.insert(op).str();
  tensorByKey[key] = symbol;
  return symbol;
}

Attribute LoweringContext::vectorFor(ArrayRef<WeightAttr> sources) {
  uint64_t elements = 0;
  for (WeightAttr source : sources) {
    elements += static_cast<uint64_t>(source.getColumns());
  }
  return symbol(addTensor(Recipe::Vector, sources, RopeAttr(), DType::F32,
                          Layout::Rows, 1, elements));
}

bool LoweringContext::isScaled(ArrayRef<WeightAttr> matrices) {
  return llvm::any_of(
      matrices, [](WeightAttr matrix) { return !matrix.getScale().empty(); });
}

Attribute LoweringContext::rowScalesOf(ArrayRef<WeightAttr> matrices) {
  uint64_t rows = 0;
  for (WeightAttr matrix : matrices) {
    rows += static_cast<uint64_t>(matrix.getRows());
  }
  return symbol(addTensor(Recipe::RowScales, matrices, RopeAttr(), DType::F32,
                          Layout::Rows, 1, rows));
}

} // namespace air::compiler
