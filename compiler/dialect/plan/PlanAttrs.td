//===- PlanAttrs.td - attributes of a plan -----------------*- tablegen -*-===//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANATTRS_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANATTRS_TD

include "compiler/dialect/llm/LlmAttrs.td"
include "compiler/dialect/plan/PlanDialect.td"
include "compiler/dialect/plan/PlanEnums.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonAttrConstraints.td"

class Plan_EnumAttr<EnumInfo info, string mnemonic>
    : EnumAttr<Plan_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

def Plan_StepKindAttr : Plan_EnumAttr<Plan_StepKind, "step_kind">;
def Plan_RowsFromAttr : Plan_EnumAttr<Plan_RowsFrom, "rows_from">;
def Plan_ArithmeticAttr : Plan_EnumAttr<Plan_Arithmetic, "arithmetic">;
def Plan_RecipeAttr : Plan_EnumAttr<Plan_Recipe, "recipe">;
def Plan_SegmentKindAttr : Plan_EnumAttr<Plan_SegmentKind, "segment_kind">;
def Plan_CodecAttr : Plan_EnumAttr<Plan_Codec, "codec">;
def Plan_TierAttr : Plan_EnumAttr<Plan_Tier, "tier">;
def Plan_DecidedByAttr : Plan_EnumAttr<Plan_DecidedBy, "decided_by">;

class Plan_Attr<string name, string attrMnemonic> : AttrDef<Plan_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Plan_LayoutAttr : Plan_Attr<"Layout", "layout"> {
  let summary = "The order of a matrix's bytes, by its name in formats/plan/Layout.h";
  let parameters = (ins AttrParameter<"::air::Layout", "layout">:$value);
  let hasCustomAssemblyFormat = 1;
}

def Plan_BindingAttr : Plan_Attr<"Binding", "binding"> {
  let summary = "One argument of a kernel";
  let description = [{
    `#plan.binding<read tensor @blk.0.attn_qkv>`, `#plan.binding<write buffer @x>`,
    `#plan.binding<read_write kv 3>` (cache 3),
    `#plan.binding<read batch positions>`.
  }];
  let parameters = (ins
    EnumParameter<Plan_Access>:$access,
    EnumParameter<Plan_BindingKind>:$kind,
    OptionalParameter<"::mlir::FlatSymbolRefAttr", "tensor or buffer">:$target,
    DefaultValuedParameter<"int64_t", "-1", "index of a cache or batch array">:$number);
  let builders = [
    AttrBuilder<(ins "Access":$access, "BindingKind":$kind, "::llvm::StringRef":$symbol), [{
      return $_get($_ctxt, access, kind, ::mlir::FlatSymbolRefAttr::get($_ctxt, symbol), -1);
    }]>,
    AttrBuilder<(ins "Access":$access, "int64_t":$cache), [{
      return $_get($_ctxt, access, BindingKind::Kv, ::mlir::FlatSymbolRefAttr(), cache);
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Plan_LaunchAttr : Plan_Attr<"Launch", "launch"> {
  let summary = "How a kernel of a GPU is launched (Launch in plan.fbs)";
  let parameters = (ins "uint32_t":$grid_x, "uint32_t":$grid_y,
                        "uint32_t":$threads, "uint32_t":$shared_bytes,
                        DefaultValuedParameter<"bool", "false">:$dependent);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Plan_BindingArrayAttr : TypedArrayAttrBase<Plan_BindingAttr, "bindings">;

def Plan_LinkAttr : Plan_Attr<"Link", "link"> {
  let summary = "The bytes that one pass moves over a link (LinkPrediction)";
  let parameters = (ins
    StringRefParameter<"such as \"dram\" or \"disk\"">:$name,
    "int64_t":$bytes_per_pass,
    DefaultValuedParameter<"int64_t", "0", "bytes/s, 0 = unknown">:$bandwidth);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Plan_LinkArrayAttr : TypedArrayAttrBase<Plan_LinkAttr, "links">;
def Plan_WeightArrayAttr : TypedArrayAttrBase<Llm_WeightAttr, "tensors of the source">;
def Plan_Size : ConfinedAttr<I64Attr, [IntNonNegative]>;
def Plan_Count : ConfinedAttr<I64Attr, [IntPositive]>;

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANATTRS_TD
