"""SaQC, imported without its noise and set as quality control needs it: the one place that imports it."""

import warnings

with warnings.catch_warnings():
    # On import SaQC warns of coming changes, its own and pandas', about which a job can do nothing.
    warnings.simplefilter("ignore")
    import saqc
    from saqc.core.register import FUNC_MAP
    from saqc.funcs.generic import compileGeneric
    from saqc.options import parsing
    from saqc.parsing.environ import ENVIRONMENT

    # A test whose target is another series adds to the target's flags, and leaves its values alone.
    saqc.options.field_target.existing_target = "append"

__all__ = ["ENVIRONMENT", "FUNC_MAP", "compileGeneric", "parsing", "saqc"]
