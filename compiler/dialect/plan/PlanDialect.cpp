//===- PlanDialect.cpp - registration and attributes ------------*- C++ -*-===//
#include "compiler/dialect/plan/PlanDialect.h"

#include "formats/plan/plan_generated.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace air::ir::plan;

#include "compiler/dialect/plan/PlanDialect.cpp.inc"
#include "compiler/dialect/plan/PlanEnums.cpp.inc"
#include "compiler/dialect/plan/PlanInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/plan/PlanAttrs.cpp.inc"

void PlanDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/dialect/plan/PlanAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/plan/PlanOps.cpp.inc"
      >();
}

// AIR_SAME asserts that an enum value of the dialect equals the value of the
// same name in the plan file, so that a cast converts between the two enums.
#define AIR_SAME(set, word)                                                    \
  static_assert(static_cast<uint32_t>(set::word) ==                            \
                static_cast<uint32_t>(::air::plan::set::word))
AIR_SAME(StepKind, Embed);
AIR_SAME(StepKind, AttnIn);
AIR_SAME(StepKind, Attn);
AIR_SAME(StepKind, AttnOut);
AIR_SAME(StepKind, FfnIn);
AIR_SAME(StepKind, FfnOut);
AIR_SAME(StepKind, Head);
AIR_SAME(StepKind, Norm);
AIR_SAME(StepKind, MatMul);
AIR_SAME(StepKind, Add);
AIR_SAME(StepKind, Glu);
AIR_SAME(StepKind, Positions);
AIR_SAME(RowsFrom, Tokens);
AIR_SAME(RowsFrom, Outputs);
AIR_SAME(Access, Read);
AIR_SAME(Access, Write);
AIR_SAME(Access, ReadWrite);
AIR_SAME(BindingKind, Tensor);
AIR_SAME(BindingKind, Buffer);
AIR_SAME(BindingKind, Kv);
AIR_SAME(BindingKind, Batch);
AIR_SAME(BatchArray, TokenIds);
AIR_SAME(BatchArray, Positions);
AIR_SAME(BatchArray, RopePositions);
AIR_SAME(BatchArray, BlockTables);
AIR_SAME(BatchArray, TokenCount);
AIR_SAME(BatchArray, Sequences);
AIR_SAME(BatchArray, TileCount);
AIR_SAME(BatchArray, Tiles);
AIR_SAME(BatchArray, OutputCount);
AIR_SAME(BatchArray, OutputRows);
AIR_SAME(Arithmetic, Float32);
AIR_SAME(Arithmetic, Int8);
AIR_SAME(Arithmetic, Int15);
AIR_SAME(Arithmetic, BFloat16);
AIR_SAME(Arithmetic, Float16);
AIR_SAME(SegmentKind, Weights);
AIR_SAME(SegmentKind, Kernels);
AIR_SAME(SegmentKind, Table);
AIR_SAME(Codec, None);
AIR_SAME(Codec, Zstd);
AIR_SAME(Codec, Planes);
AIR_SAME(Tier, Vram);
AIR_SAME(Tier, Ram);
AIR_SAME(DecidedBy, Default);
AIR_SAME(DecidedBy, User);
AIR_SAME(DecidedBy, Model);
AIR_SAME(DecidedBy, Solver);
#undef AIR_SAME

std::string StepOpInterface::getStepName() {
  std::string kind = stringifyStepKind(getStepKind()).str();
  int64_t layer = getStepLayer();
  return layer < 0 ? kind : "layer." + std::to_string(layer) + "." + kind;
}

FailureOr<air::Layout> air::ir::plan::parseLayoutName(AsmParser &parser) {
  StringRef word;
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) {
    return failure();
  }
  std::optional<air::Layout> layout =
      air::layoutFromName(std::string_view(word.data(), word.size()));
  if (!layout) {
    parser.emitError(where)
        << "'" << word << "' is not a layout; name one such as rows or x16";
    return failure();
  }
  return *layout;
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess()) {
    return {};
  }
  FailureOr<air::Layout> layout = parseLayoutName(parser);
  if (failed(layout) || parser.parseGreater()) {
    return {};
  }
  return get(parser.getContext(), *layout);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  std::string_view word = air::layoutName(getValue());
  printer << "<" << StringRef(word.data(), word.size()) << ">";
}

Attribute BindingAttr::parse(AsmParser &parser, Type) {
  FailureOr<Access> access = failure();
  FailureOr<BindingKind> kind = failure();
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseLess() ||
      failed(access = FieldParser<Access>::parse(parser)) ||
      failed(kind = FieldParser<BindingKind>::parse(parser))) {
    return {};
  }
  FlatSymbolRefAttr target;
  int64_t number = -1;
  if (*kind == BindingKind::Kv) {
    if (parser.parseInteger(number)) {
      return {};
    }
  } else if (*kind == BindingKind::Batch) {
    FailureOr<BatchArray> array = FieldParser<BatchArray>::parse(parser);
    if (failed(array)) {
      return {};
    }
    number = static_cast<int64_t>(*array);
  } else {
    StringAttr symbol;
    if (parser.parseSymbolName(symbol)) {
      return {};
    }
    target = FlatSymbolRefAttr::get(symbol);
  }
  if (parser.parseGreater()) {
    return {};
  }
  return parser.getChecked<BindingAttr>(where, parser.getContext(), *access,
                                        *kind, target, number);
}

void BindingAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyAccess(getAccess()) << " "
          << stringifyBindingKind(getKind()) << " ";
  if (getKind() == BindingKind::Kv) {
    printer << getNumber();
  } else if (getKind() == BindingKind::Batch) {
    printer << stringifyBatchArray(static_cast<BatchArray>(getNumber()));
  } else {
    printer.printSymbolName(getTarget().getValue());
  }
  printer << ">";
}

LogicalResult BindingAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  Access access, BindingKind kind,
                                  FlatSymbolRefAttr target, int64_t number) {
  if (kind == BindingKind::Kv) {
    if (target || number < 0) {
      return emitError() << "a kv binding names cache " << number
                         << "; it must name a cache of 0 or more, and no "
                            "tensor or buffer";
    }
    return success();
  }
  if (kind == BindingKind::Batch) {
    const auto array = symbolizeBatchArray(static_cast<uint32_t>(number));
    if (target || !array) {
      return emitError()
             << "a batch binding must name one of the arrays of the batch";
    }
    if (access != Access::Read && *array != BatchArray::TokenIds &&
        *array != BatchArray::Positions &&
        *array != BatchArray::RopePositions &&
        *array != BatchArray::TokenCount) {
      return emitError() << "a kernel may not write the array "
                         << stringifyBatchArray(*array)
                         << " of the batch; it may write only token_ids, "
                            "positions, rope_positions and token_count";
    }
    return success();
  }
  if (!target || number != -1) {
    return emitError() << "a " << stringifyBindingKind(kind)
                       << " binding must name a " << stringifyBindingKind(kind)
                       << " and no number";
  }
  if (kind == BindingKind::Tensor && access != Access::Read) {
    return emitError() << "tensor " << target << " is bound for "
                       << stringifyAccess(access)
                       << ", but tensors are read-only";
  }
  return success();
}
