//===- KernelBuilder.cpp - writes one CPU kernel as MLIR --------*- C++ -*-===//
#include "codegen/cpu/builder/KernelBuilder.h"

#include "formats/abi/KernelAbi.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <numeric>

using namespace mlir;

namespace air::codegen {

KernelBuilder::KernelBuilder(ModuleOp parent, const std::string &name,
                             const IsaTraits &isa)
    : module(parent), builder(parent.getContext()),
      location(UnknownLoc::get(parent.getContext())), traits(isa) {
  builder.setInsertionPointToEnd(module.getBody());
  auto type = builder.getFunctionType({ptr(), i64(), i64(), ptr()}, {});
  function = func::FuncOp::create(builder, location, name, type);
  // Arguments 0 (the dispatch record) and 3 (the scratch memory) are noalias:
  // no other pointer that a kernel uses points into them.
  for (unsigned argument : {0U, 3U}) {
    function.setArgAttr(argument, "llvm.noalias", builder.getUnitAttr());
  }
  builder.setInsertionPointToStart(function.addEntryBlock());
  Value dispatch = function.getArgument(0);
  batch = load(ptr(), offset(dispatch, offsetof(AirDispatch, batch)), 8);
  bindings = load(ptr(), offset(dispatch, offsetof(AirDispatch, bindings)), 8);
  entryEnd = bindings.getDefiningOp();
}

void KernelBuilder::finish() { func::ReturnOp::create(builder, location); }

// ---- types ------------------------------------------------------------------

Type KernelBuilder::ptr() {
  return LLVM::LLVMPointerType::get(builder.getContext());
}

VectorType KernelBuilder::vec(Type element, int64_t lanes) {
  return VectorType::get({lanes}, element);
}

Type KernelBuilder::withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    return VectorType::get(vector.getShape(), element);
  }
  return element;
}

bool KernelBuilder::isFloat(Value a) {
  return isa_and_nonnull<FloatType>(getElementTypeOrSelf(a.getType()));
}

// ---- constants --------------------------------------------------------------

Value KernelBuilder::i64(int64_t value) { return constant(i64(), value); }
Value KernelBuilder::i32(int32_t value) {
  return constant(i32(), int64_t{value});
}
Value KernelBuilder::f32(float value) { return constant(f32(), double{value}); }
Value KernelBuilder::f64(double value) { return constant(f64(), value); }

Value KernelBuilder::constant(Type type, int64_t value) {
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  // Truncates to the type's width, so that 0x80000000 is a valid i32.
  TypedAttr attribute = IntegerAttr::get(
      element, APInt(element.getWidth(), static_cast<uint64_t>(value),
                     /*isSigned=*/true, /*implicitTrunc=*/true));
  if (auto vector = dyn_cast<VectorType>(type)) {
    attribute = DenseElementsAttr::get(vector, attribute);
  }
  return arith::ConstantOp::create(builder, location, attribute);
}

Value KernelBuilder::constant(Type type, double value) {
  TypedAttr attribute = FloatAttr::get(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type)) {
    attribute = DenseElementsAttr::get(vector, attribute);
  }
  return arith::ConstantOp::create(builder, location, attribute);
}

Value KernelBuilder::zero(Type type) {
  if (isa<FloatType>(getElementTypeOrSelf(type))) {
    return constant(type, 0.0);
  }
  return constant(type, int64_t{0});
}

Value KernelBuilder::constants(llvm::ArrayRef<float> values) {
  auto type = vec(f32(), static_cast<int64_t>(values.size()));
  return arith::ConstantOp::create(builder, location,
                                   DenseElementsAttr::get(type, values));
}
Value KernelBuilder::constants(llvm::ArrayRef<int32_t> values) {
  auto type = vec(i32(), static_cast<int64_t>(values.size()));
  return arith::ConstantOp::create(builder, location,
                                   DenseElementsAttr::get(type, values));
}
Value KernelBuilder::constants(llvm::ArrayRef<int8_t> values) {
  auto type = vec(i8(), static_cast<int64_t>(values.size()));
  return arith::ConstantOp::create(builder, location,
                                   DenseElementsAttr::get(type, values));
}

// ---- arguments of the kernel ------------------------------------------------

Value KernelBuilder::entryLoad(Value record, int64_t at, Type type) {
  Value &slot = entryLoads[{record.getAsOpaquePointer(), at}];
  if (!slot) {
    // The value is loaded in the entry block, which dominates all uses and runs
    // once.
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(entryEnd);
    slot = load(type, offset(record, at), type == i32() ? 4 : 8);
    if (type == i32()) {
      slot = zeroExtend(slot, i64());
    }
    entryEnd = slot.getDefiningOp();
  }
  return slot;
}

Value KernelBuilder::binding(unsigned index) {
  return entryLoad(bindings, int64_t{8} * index, ptr());
}
Value KernelBuilder::tokens() {
  return entryLoad(batch, offsetof(AirBatch, tokens), i32());
}
Value KernelBuilder::outputs() {
  return entryLoad(batch, offsetof(AirBatch, outputs), i32());
}
Value KernelBuilder::tokenIds() {
  return entryLoad(batch, offsetof(AirBatch, token_ids), ptr());
}
Value KernelBuilder::positions() {
  return entryLoad(batch, offsetof(AirBatch, positions), ptr());
}
Value KernelBuilder::sequences() {
  return entryLoad(batch, offsetof(AirBatch, sequences), ptr());
}
Value KernelBuilder::outputRows() {
  return entryLoad(batch, offsetof(AirBatch, output_rows), ptr());
}
Value KernelBuilder::ropePositions() {
  return entryLoad(batch, offsetof(AirBatch, rope_positions), ptr());
}
Value KernelBuilder::sequenceLengths() {
  return entryLoad(batch, offsetof(AirBatch, sequence_lengths), ptr());
}
Value KernelBuilder::blockTable(uint32_t group) {
  const Value tables =
      entryLoad(batch, offsetof(AirBatch, block_tables), ptr());
  return entryLoad(tables,
                   static_cast<int64_t>(group * sizeof(AirBlockTable) +
                                        offsetof(AirBlockTable, pages)),
                   ptr());
}
Value KernelBuilder::blockTableStride(uint32_t group) {
  const Value tables =
      entryLoad(batch, offsetof(AirBatch, block_tables), ptr());
  return entryLoad(tables,
                   static_cast<int64_t>(group * sizeof(AirBlockTable) +
                                        offsetof(AirBlockTable, stride)),
                   i64());
}

// ---- control flow -----------------------------------------------------------

void KernelBuilder::loop(Value lower, Value upper, Value step,
                         llvm::function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(builder, location, lower, upper, step);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

KernelBuilder::Values
KernelBuilder::loop(Value lower, Value upper, Value step,
                    llvm::ArrayRef<Value> initial,
                    llvm::function_ref<Values(Value, ValueRange)> body) {
  if (initial.empty()) {
    loop(lower, upper, step, [&](Value i) { body(i, {}); });
    return {};
  }
  auto op = scf::ForOp::create(builder, location, lower, upper, step, initial);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(builder, location, next);
  return Values(op.getResults().begin(), op.getResults().end());
}

void KernelBuilder::tileLoop(llvm::function_ref<void(Value)> body) {
  loop(tileBegin(), tileEnd(), i64(1), body);
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto op = scf::IfOp::create(builder, location, condition,
                              /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.thenBlock());
  body();
}

void KernelBuilder::ifThenElse(Value condition, llvm::function_ref<void()> then,
                               llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(builder, location, condition,
                              /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.thenBlock());
  then();
  builder.setInsertionPointToStart(op.elseBlock());
  otherwise();
}

KernelBuilder::Values
KernelBuilder::ifElse(Value condition, llvm::function_ref<Values()> then,
                      llvm::function_ref<Values()> otherwise) {
  // The result types are known only after a branch has been emitted. Therefore
  // both branches are emitted into detached regions before the op that owns
  // them is created.
  auto emit = [&](Block &block, llvm::function_ref<Values()> branch) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&block);
    Values values = branch();
    scf::YieldOp::create(builder, location, values);
    return llvm::map_to_vector(values, [](Value v) { return v.getType(); });
  };
  Region thenRegion;
  Region elseRegion;
  auto types = emit(thenRegion.emplaceBlock(), then);
  emit(elseRegion.emplaceBlock(), otherwise);
  OperationState state(location, scf::IfOp::getOperationName());
  state.addOperands(condition);
  state.addTypes(types);
  state.addRegion()->takeBody(thenRegion);
  state.addRegion()->takeBody(elseRegion);
  Operation *op = builder.create(state);
  return Values(op->getResults().begin(), op->getResults().end());
}

// ---- memory -----------------------------------------------------------------

Value KernelBuilder::offset(Value base, Value bytes) {
  return LLVM::GEPOp::create(builder, location, ptr(), i8(), base,
                             ValueRange{bytes});
}

Value KernelBuilder::offset(Value base, int64_t bytes) {
  return bytes == 0 ? base : offset(base, i64(bytes));
}

Value KernelBuilder::element(Value base, Value index, int64_t elementBytes) {
  return offset(base,
                elementBytes == 1 ? index : mul(index, i64(elementBytes)));
}

Value KernelBuilder::load(Type type, Value pointer, unsigned alignment) {
  return LLVM::LoadOp::create(builder, location, type, pointer, alignment);
}

Value KernelBuilder::loadInOrder(Type type, Value pointer, unsigned alignment) {
  // LLVM keeps volatile accesses in order. If a vector is longer than a
  // register, the code below loads it in pieces: LLVM itself would split such a
  // load, too, but might not load the pieces in ascending order.
  auto piece = [&](Type of, Value from) -> Value {
    return LLVM::LoadOp::create(builder, location, of, from, alignment,
                                /*isVolatile=*/true);
  };
  auto vector = dyn_cast<VectorType>(type);
  const int64_t bytes =
      vector ? vector.getNumElements() *
                   vector.getElementType().getIntOrFloatBitWidth() / 8
             : 0;
  const int64_t pieces = bytes / isa().vectorBytes;
  if (pieces <= 1) {
    return piece(type, pointer);
  }
  Type part = vec(vector.getElementType(), vector.getNumElements() / pieces);
  Values parts;
  for (int64_t i = 0; i < pieces; ++i) {
    parts.push_back(piece(part, offset(pointer, i * isa().vectorBytes)));
  }
  return join(std::move(parts));
}

void KernelBuilder::store(Value value, Value pointer, unsigned alignment) {
  LLVM::StoreOp::create(builder, location, value, pointer, alignment);
}

Value KernelBuilder::loadU32(Value pointer) {
  return zeroExtend(load(i32(), pointer, 4), i64());
}

Value KernelBuilder::loadSplat(Value pointer, int64_t lanes) {
  return splat(load(f32(), pointer, 4), lanes);
}

Value KernelBuilder::gather(Type element, Value base, Value index,
                            int64_t scale) {
  auto indexType = cast<VectorType>(index.getType());
  int64_t lanes = indexType.getNumElements();
  Value scaled = mul(index, constant(indexType, scale));
  Value pointers =
      LLVM::GEPOp::create(builder, location, vec(ptr(), lanes), i8(), base,
                          ValueRange{signExtend(scaled, i64())});
  Value all = constant(vec(i1(), lanes), int64_t{1});
  return LLVM::masked_gather::create(builder, location, vec(element, lanes),
                                     pointers, all, ValueRange{}, 1U);
}

void KernelBuilder::prefetch(Value pointer, StreamHint hint) {
  if (hint == StreamHint::None) {
    return;
  }
  assert(hint != StreamHint::T1T0 && "T1T0 stands for two prefetches");
  // The operands after the pointer are 0 for a read, the temporal locality from
  // 3 (high) to 0 (none), and 1 for data.
  const uint32_t locality = hint == StreamHint::T0   ? 3
                            : hint == StreamHint::T1 ? 2
                            : hint == StreamHint::T2 ? 1
                                                     : 0;
  LLVM::Prefetch::create(builder, location, pointer, 0U, locality, 1U);
}

Value KernelBuilder::table(const std::string &name,
                           llvm::ArrayRef<uint8_t> bytes, unsigned alignment) {
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    // Every kernel that uses the table defines it. When kernels are linked, one
    // copy is kept (CompileModule.cpp).
    LLVM::GlobalOp::create(builder, location,
                           LLVM::LLVMArrayType::get(i8(), bytes.size()),
                           /*isConstant=*/true, LLVM::Linkage::LinkonceODR,
                           name, builder.getStringAttr(text), alignment,
                           /*addrSpace=*/0, /*dsoLocal=*/true);
  }
  return LLVM::AddressOfOp::create(builder, location, ptr(), name);
}

// ---- arithmetic -------------------------------------------------------------

Value KernelBuilder::add(Value a, Value b) {
  return isFloat(a) ? builder.createOrFold<arith::AddFOp>(location, a, b)
                    : builder.createOrFold<arith::AddIOp>(location, a, b);
}
Value KernelBuilder::sub(Value a, Value b) {
  return isFloat(a) ? builder.createOrFold<arith::SubFOp>(location, a, b)
                    : builder.createOrFold<arith::SubIOp>(location, a, b);
}
Value KernelBuilder::mul(Value a, Value b) {
  return isFloat(a) ? builder.createOrFold<arith::MulFOp>(location, a, b)
                    : builder.createOrFold<arith::MulIOp>(location, a, b);
}
Value KernelBuilder::div(Value a, Value b) {
  return isFloat(a) ? builder.createOrFold<arith::DivFOp>(location, a, b)
                    : builder.createOrFold<arith::DivUIOp>(location, a, b);
}
Value KernelBuilder::rem(Value a, Value b) {
  return builder.createOrFold<arith::RemUIOp>(location, a, b);
}
Value KernelBuilder::fma(Value a, Value b, Value c) {
  return LLVM::FMAOp::create(builder, location, a, b, c);
}
Value KernelBuilder::min(Value a, Value b) { return select(less(a, b), a, b); }
Value KernelBuilder::max(Value a, Value b) { return select(less(b, a), a, b); }
Value KernelBuilder::negate(Value a) {
  return isFloat(a) ? builder.createOrFold<arith::NegFOp>(location, a)
                    : sub(zero(a.getType()), a);
}
Value KernelBuilder::sqrt(Value a) {
  return LLVM::SqrtOp::create(builder, location, a);
}
Value KernelBuilder::andBits(Value a, Value b) {
  return builder.createOrFold<arith::AndIOp>(location, a, b);
}
Value KernelBuilder::andBits(Value a, int64_t mask) {
  return andBits(a, constant(a.getType(), mask));
}
Value KernelBuilder::orBits(Value a, Value b) {
  return builder.createOrFold<arith::OrIOp>(location, a, b);
}
Value KernelBuilder::xorBits(Value a, Value b) {
  return builder.createOrFold<arith::XOrIOp>(location, a, b);
}
Value KernelBuilder::shiftLeft(Value a, Value bits) {
  return builder.createOrFold<arith::ShLIOp>(location, a, bits);
}
Value KernelBuilder::shiftRight(Value a, Value bits) {
  return builder.createOrFold<arith::ShRUIOp>(location, a, bits);
}
Value KernelBuilder::shiftLeft(Value a, int64_t bits) {
  return bits == 0 ? a : shiftLeft(a, constant(a.getType(), bits));
}
Value KernelBuilder::shiftRight(Value a, int64_t bits) {
  return bits == 0 ? a : shiftRight(a, constant(a.getType(), bits));
}
Value KernelBuilder::shiftRightSigned(Value a, int64_t bits) {
  return builder.createOrFold<arith::ShRSIOp>(location, a,
                                              constant(a.getType(), bits));
}

Value KernelBuilder::equal(Value a, Value b) {
  return builder.createOrFold<arith::CmpIOp>(location, arith::CmpIPredicate::eq,
                                             a, b);
}
Value KernelBuilder::notEqual(Value a, Value b) {
  return builder.createOrFold<arith::CmpIOp>(location, arith::CmpIPredicate::ne,
                                             a, b);
}
Value KernelBuilder::less(Value a, Value b) {
  if (isFloat(a)) {
    return builder.createOrFold<arith::CmpFOp>(location,
                                               arith::CmpFPredicate::OLT, a, b);
  }
  return builder.createOrFold<arith::CmpIOp>(location,
                                             arith::CmpIPredicate::ult, a, b);
}
Value KernelBuilder::lessEqual(Value a, Value b) {
  if (isFloat(a)) {
    return builder.createOrFold<arith::CmpFOp>(location,
                                               arith::CmpFPredicate::OLE, a, b);
  }
  return builder.createOrFold<arith::CmpIOp>(location,
                                             arith::CmpIPredicate::ule, a, b);
}
Value KernelBuilder::select(Value condition, Value a, Value b) {
  return builder.createOrFold<arith::SelectOp>(location, condition, a, b);
}

// ---- conversions ------------------------------------------------------------

Value KernelBuilder::zeroExtend(Value a, Type element) {
  return arith::ExtUIOp::create(builder, location,
                                withElement(a.getType(), element), a);
}
Value KernelBuilder::signExtend(Value a, Type element) {
  return arith::ExtSIOp::create(builder, location,
                                withElement(a.getType(), element), a);
}
Value KernelBuilder::truncate(Value a, Type element) {
  return arith::TruncIOp::create(builder, location,
                                 withElement(a.getType(), element), a);
}
Value KernelBuilder::signedToFloat(Value a, Type element) {
  return arith::SIToFPOp::create(builder, location,
                                 withElement(a.getType(), element), a);
}
Value KernelBuilder::floatToSigned(Value a, Type element) {
  return arith::FPToSIOp::create(builder, location,
                                 withElement(a.getType(), element), a);
}
Value KernelBuilder::floatExtend(Value a, Type element) {
  return arith::ExtFOp::create(builder, location,
                               withElement(a.getType(), element), a);
}
Value KernelBuilder::floatTruncate(Value a, Type element) {
  return arith::TruncFOp::create(builder, location,
                                 withElement(a.getType(), element), a);
}
Value KernelBuilder::bitcast(Value a, Type element) {
  return arith::BitcastOp::create(builder, location,
                                  withElement(a.getType(), element), a);
}
Value KernelBuilder::recast(Value vector, Type element) {
  auto type = cast<VectorType>(vector.getType());
  int64_t bits = type.getNumElements() * type.getElementTypeBitWidth();
  return vector::BitCastOp::create(
      builder, location, vec(element, bits / element.getIntOrFloatBitWidth()),
      vector);
}

// ---- vectors ----------------------------------------------------------------

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(builder, location,
                                     vec(scalar.getType(), lanes), scalar);
}
Value KernelBuilder::extract(Value vector, int64_t lane) {
  return vector::ExtractOp::create(builder, location, vector, lane);
}
Value KernelBuilder::insert(Value scalar, Value vector, int64_t lane) {
  return vector::InsertOp::create(builder, location, scalar, vector, lane);
}
Value KernelBuilder::shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(builder, location, a, b, mask);
}

Value KernelBuilder::join(Values parts) {
  while (parts.size() > 1) {
    const int64_t count =
        cast<VectorType>(parts.front().getType()).getNumElements();
    llvm::SmallVector<int64_t> lanes(2 * count);
    std::iota(lanes.begin(), lanes.end(), 0);
    Values pairs;
    for (size_t i = 0; i < parts.size(); i += 2) {
      pairs.push_back(shuffle(parts[i], parts[i + 1], lanes));
    }
    parts = std::move(pairs);
  }
  return parts.front();
}

Value KernelBuilder::foldLanes(
    Value vector, llvm::function_ref<Value(Value, Value)> combine) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  assert((lanes & (lanes - 1)) == 0 &&
         "the number of lanes must be a power of two");
  for (; lanes > 1; lanes /= 2) {
    llvm::SmallVector<int64_t> low;
    llvm::SmallVector<int64_t> high;
    for (int64_t lane = 0; lane < lanes / 2; ++lane) {
      low.push_back(lane);
      high.push_back(lane + lanes / 2);
    }
    vector =
        combine(shuffle(vector, vector, low), shuffle(vector, vector, high));
  }
  return extract(vector, 0);
}

Value KernelBuilder::sumLanes(Value vector) {
  return foldLanes(vector, [&](Value a, Value b) { return add(a, b); });
}
Value KernelBuilder::maxLanes(Value vector) {
  return foldLanes(vector, [&](Value a, Value b) { return max(a, b); });
}

// ---- functions --------------------------------------------------------------

Value KernelBuilder::exp(Value x) {
  // e^x = 2^n * e^r with n = round(x / ln 2) and |r| <= ln(2) / 2. The Taylor
  // polynomial of degree 7 approximates e^r with an error below 2^-27. Rounding
  // by adding 1.5 * 2^23 leaves n in the low bits of the sum and, unlike a
  // conversion, is defined for NaN.
  Type type = x.getType();
  Type bits = withElement(type, i32());
  auto number = [&](double value) { return constant(type, value); };
  // Outside [-104, 89], e^x is 0 or infinite in f32. NaN stays NaN, because
  // comparisons with it are false.
  x = select(less(x, number(-104.0)), number(-104.0), x);
  x = select(less(number(89.0), x), number(89.0), x);
  constexpr double kRound = 12582912.0;
  Value shifted = fma(x, number(M_LOG2E), number(kRound));
  Value n = sub(shifted, number(kRound));
  // ln 2 is split into two parts. The first has so many trailing zero bits that
  // its product with n is exact.
  Value r = fma(n, number(-0.693359375), x);
  r = fma(n, number(2.12194440e-4), r);
  double coefficient = 1.0 / 5040.0;
  Value poly = number(coefficient);
  for (int i = 7; i >= 1; --i) {
    coefficient *= i;
    poly = fma(poly, r, number(coefficient));
  }
  // For some n, 2^n is not a normal float32. Therefore the polynomial is
  // multiplied by 2^h and then by 2^(n - h), where h = floor(n / 2). Both are
  // normal for n from -150 to 129.
  Value whole =
      sub(bitcast(shifted, i32()), constant(bits, int64_t{0x4B400000}));
  Value half = shiftRightSigned(whole, 1);
  auto powerOfTwo = [&](Value e) {
    return bitcast(shiftLeft(add(e, constant(bits, int64_t{127})), 23), f32());
  };
  return mul(mul(poly, powerOfTwo(half)), powerOfTwo(sub(whole, half)));
}

Value KernelBuilder::silu(Value x) {
  Value one = constant(x.getType(), 1.0);
  return div(x, add(one, exp(negate(x))));
}

Value KernelBuilder::intrinsic(Type result, StringRef name,
                               llvm::ArrayRef<Value> args) {
  return LLVM::CallIntrinsicOp::create(builder, location, result,
                                       builder.getStringAttr(name), args)
      .getResults();
}

void KernelBuilder::intrinsic(StringRef name, llvm::ArrayRef<Value> args) {
  LLVM::CallIntrinsicOp::create(builder, location, builder.getStringAttr(name),
                                args);
}

} // namespace air::codegen
