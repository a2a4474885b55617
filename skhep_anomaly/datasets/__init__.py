"""Loaders, the small embedded data, toys with known truth, downloads and tables.

Every loader and toy returns an :class:`EventBunch`: X (float32), y (1 signal or anomaly, 0
background or normal), sample_weight, ids, feature_names, units, source. Calorimeter showers come
as a :class:`ShowerBunch`: X (conditions), images, feature_names, units, source. pandas, pyarrow,
h5py and uproot are imported only when a file needs them.
"""

from skhep_anomaly.datasets._bunch import EventBunch
from skhep_anomaly.datasets._shower_bunch import ShowerBunch
from skhep_anomaly.datasets.calochallenge import load_calochallenge_hdf5
from skhep_anomaly.datasets.download import fetch
from skhep_anomaly.datasets.higgsml import load_higgsml
from skhep_anomaly.datasets.home import data_home
from skhep_anomaly.datasets.lhco import load_lhco
from skhep_anomaly.datasets.root import read_root
from skhep_anomaly.datasets.showers import load_calogan_npz, load_geant4_showers
from skhep_anomaly.datasets.tables import iter_table, read_table, table_columns
from skhep_anomaly.datasets.toys import make_gaussian_anomalies, make_moons_anomalies
from skhep_anomaly.datasets.uci import load_higgs, load_susy
from skhep_anomaly.datasets.writer import TableWriter, open_table_writer

__all__ = [
    "EventBunch",
    "ShowerBunch",
    "TableWriter",
    "data_home",
    "fetch",
    "iter_table",
    "load_calochallenge_hdf5",
    "load_calogan_npz",
    "load_geant4_showers",
    "load_higgs",
    "load_higgsml",
    "load_lhco",
    "load_susy",
    "make_gaussian_anomalies",
    "make_moons_anomalies",
    "open_table_writer",
    "read_root",
    "read_table",
    "table_columns",
]
